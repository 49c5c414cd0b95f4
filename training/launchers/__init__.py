"""Starting the ranks of a run, on one machine or several, and starting them again when they are lost."""
