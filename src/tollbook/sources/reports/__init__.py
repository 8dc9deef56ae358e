"""Providers' own reports of costs and usage: their JSON, their CSV exports, and their APIs."""
