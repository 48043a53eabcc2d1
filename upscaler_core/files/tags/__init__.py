"""Tags and pictures of audio files: their names in each format, reading them, writing them."""
