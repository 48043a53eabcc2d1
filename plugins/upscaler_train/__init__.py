"""Training: a recipe in, checkpoints, logs and a report out."""
