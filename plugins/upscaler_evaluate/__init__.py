"""`upscaler evaluate`: pipelines on recordings, beside the resampler alone and the null system."""
