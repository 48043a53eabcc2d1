"""Training losses: spectral, waveform and stereo distances, and an adversarial loss with feature matching."""
