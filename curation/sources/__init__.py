"""Sources: files of several formats, cut into splits and read as records. Nothing is judged here."""
