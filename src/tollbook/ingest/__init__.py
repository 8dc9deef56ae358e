<<<<<<< HEAD
"""Payloads in, events or rejections out. Pure: bytes and limits are all it sees."""
=======
"""Payloads of every dialect, turned into events or rejections."""
>>>>>>> scaffold
