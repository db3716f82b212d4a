"""Side-by-side measurements with the peers, in one run: `python -m benchmarks`."""
