"""Looking inside recordings: `upscaler inspect`."""
