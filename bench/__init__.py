"""The benchmarks: `make bench`. What they measure and what they don't is in docs/performance.md."""
