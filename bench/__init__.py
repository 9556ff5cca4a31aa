"""Benchmarks: `python -m bench` (or `make bench`) prints figures, and asserts nothing about time."""
