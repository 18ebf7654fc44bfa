"""The peers, each a program of its own that reads the same claims: `BENCH_*` variables say where. They import nothing of the product.

Each prints again and again when it saw its first and its last event, by the monotonic clock, and how many; `ops.bench.core` adds up and
ends it.
"""
