"""Training: a recipe goes in; checkpoints, logs and a report come out. `loop.py` is the place to begin reading."""
