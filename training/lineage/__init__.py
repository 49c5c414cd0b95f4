"""What a run has seen: documents of a step, steps of a document, models that saw it."""
