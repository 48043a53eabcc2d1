"""A very small model for AI Audio Upscaler Pro: noise under a predicted envelope."""
