"""Searches for a recipe's best numbers: many trainings, judged and pruned by Optuna."""
