"""torchaudio's resampler, as an optional one."""
