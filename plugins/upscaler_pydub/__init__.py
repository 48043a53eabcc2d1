"""What libsndfile cannot read, through the ffmpeg that pydub finds."""
