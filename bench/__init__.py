"""Benchmarks: each figure beside the baseline it is judged by. `python -m bench` runs them all."""
