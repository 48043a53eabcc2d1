"""Degradations for training: band limits, coarse quantization, lossy codecs, noise, level and stereo changes."""
