"""Runs the benchmarks in a process of their own, and leaves nothing of them behind."""

import sys

from bench.supervision import run

if __name__ == "__main__":
    sys.exit(run([sys.executable, "-m", "bench.main", *sys.argv[1:]]))
