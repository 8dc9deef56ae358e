"""Limits and what they do to tenants."""
