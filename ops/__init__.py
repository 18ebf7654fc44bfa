"""How it is run: brokers, sample data, the demo, checks for operators.

Nothing here decides a number; everything here may use everything below.
"""
