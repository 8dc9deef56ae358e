"""HTTP: one resource a file, keys, problems."""
