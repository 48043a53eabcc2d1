"""The training data: the dataset on disk, its decoded recordings, and the excerpts that are drawn from them."""
