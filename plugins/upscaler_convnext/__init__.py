"""The model `spectral-convnext`: the spectral network that restores best so far."""
