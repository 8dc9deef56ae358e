<<<<<<< HEAD
"""Limits and what they do to tenants."""
=======
"""The gate, holds, throttle flags and alerts."""
>>>>>>> scaffold
