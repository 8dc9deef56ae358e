"""Payloads in, events or rejections out. Pure: bytes and limits are all it sees."""
