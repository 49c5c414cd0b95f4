"""The loop: trainer, objectives, schedule, optimizer, checkpoints, validation and metrics."""
