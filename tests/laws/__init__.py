"""The laws of the program, checked on generated histories."""
