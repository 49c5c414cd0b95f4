"""What a person starts: the command line, the demo, submission to a Ray cluster, the doctor."""
