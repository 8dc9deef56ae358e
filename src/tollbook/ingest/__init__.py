"""Payloads of every dialect, turned into events or rejections."""
