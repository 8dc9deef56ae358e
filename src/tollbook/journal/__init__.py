"""The journal and the counters, in Valkey."""
