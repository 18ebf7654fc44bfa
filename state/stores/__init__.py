"""Where state rests: one SQLite file per partition of a log, written in one transaction per batch through aiosqlite.

Knows tables and bytes, and nothing of what they mean: rules live in the packages beside it.
May use nothing of `streams`.
"""
