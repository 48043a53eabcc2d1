"""Many files: which goes where, what was done, and the processes that do them."""
