"""Searches for the best options of a recipe by many trainings, which Optuna compares and prunes."""
