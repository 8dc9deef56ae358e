"""Settings, wiring and lifecycle."""
