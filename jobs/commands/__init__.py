"""The commands of ``hanji``, a file a theme. Heavy libraries are imported inside the commands."""
