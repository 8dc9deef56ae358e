<<<<<<< HEAD
"""The HTTP API."""
=======
"""HTTP: one resource a file, keys, problems."""
>>>>>>> scaffold
