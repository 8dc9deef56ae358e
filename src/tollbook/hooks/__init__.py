"""Outgoing HTTP: alerts signed and sent to addresses that were looked at first."""
