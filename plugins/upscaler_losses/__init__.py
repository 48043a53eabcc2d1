"""Training losses: spectral, waveform and stereo distances, and an adversary with feature matching."""
