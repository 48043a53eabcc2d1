"""Signal processing that needs only torch: three resamplers, the limiter and the null system `tilted-noise`."""
