"""Damage to train against: band limits, coarse quantization, lossy codecs, noise, level and stereo changes."""
