"""Main content of HTML pages: flat arrays from the parsed page, the choice of content, and its text."""
