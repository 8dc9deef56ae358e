"""Prices: the dated book, its matching of models, and the only rounding."""
