"""The steps of a curation run, one file each; curation/pipeline.py knows their order."""
