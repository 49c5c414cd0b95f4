"""``python -m hanji``: the command line, where no script is on the path."""

from hanji.jobs.cli import main

main()
