"""Measurements of hubel; never part of the tests. `python -m benchmarks NAME` runs one."""
