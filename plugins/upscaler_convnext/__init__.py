"""The spectral network that restores best so far, `spectral-convnext`."""
