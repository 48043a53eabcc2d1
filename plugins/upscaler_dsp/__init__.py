"""Signal processing that needs nothing but torch: three resamplers."""
