"""The gate, holds, throttle flags and alerts."""
