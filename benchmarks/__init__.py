"""Measurements that back the numbers in the documentation. `python -m benchmarks` runs them, `make bench` calls it.

Invariant: everything is bounded in time and count, stays on loopback, and whatever was started is stopped.
"""
