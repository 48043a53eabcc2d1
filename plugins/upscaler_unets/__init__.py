"""The white paper's two networks, `waveform-unet` and `spectral-unet`."""
