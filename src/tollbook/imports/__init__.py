"""Files of other programs, read piece by piece into pages of events."""
