"""Prices of LLM calls: exact, dated, and rounded once."""
