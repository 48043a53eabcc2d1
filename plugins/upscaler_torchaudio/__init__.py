"""torchaudio's resampler as an optional resampler."""
