"""Configuration, wiring and lifecycle: where the rooms are put together."""
