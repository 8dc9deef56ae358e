"""What rings, and its way to whoever wants to hear it."""
