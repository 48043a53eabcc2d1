"""Audio files: one reader, and the writers of WAV and FLAC."""
