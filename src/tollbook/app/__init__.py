<<<<<<< HEAD
"""Configuration, wiring and lifecycle: where the rooms are put together."""
=======
"""Settings, wiring and lifecycle."""
>>>>>>> scaffold
