"""What people look at, as figures: the API and the dashboard show the same."""
