"""An exporter of Ogg Opus for AI Audio Upscaler Pro."""
