"""The SoX resampler library as an optional resampler."""
