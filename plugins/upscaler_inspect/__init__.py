"""The command `upscaler inspect`: what is in a recording."""
