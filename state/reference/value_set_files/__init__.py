"""Readers of value set files, one module for each format: bytes in, sets out.

No reader guesses. A file that is not in its format is refused; a set that a file does not say enough of is unusable, with the reason.
"""
