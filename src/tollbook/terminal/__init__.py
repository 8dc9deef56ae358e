"""What people see in a terminal, read from the HTTP API."""
