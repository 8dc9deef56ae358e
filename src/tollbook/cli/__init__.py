"""Commands, one a file, thin: what they do is done elsewhere."""
