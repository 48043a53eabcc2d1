"""A plugin for AI Audio Upscaler Pro."""
