"""Many files: which input goes to which output, the record of what is done, and the processes that do it."""
