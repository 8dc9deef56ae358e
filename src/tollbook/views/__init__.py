"""What people look at and what they change, whatever it is shown by."""
