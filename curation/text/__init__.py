"""Text: bytes to characters, pages to text, and the edits that a text gets."""
