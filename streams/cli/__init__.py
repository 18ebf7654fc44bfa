"""The command line: one module for one verb, put together in `program`.

A verb reads its arguments, calls what does the work, and prints for a person. No rule of the program and no broker call stands here.
"""
