"""The flow: how records reach the state machines and how their answers leave, exactly once in effect.

One room per stage: intake, members, conductor, relay, and the command line.
No rule of the program may stand here.
"""
