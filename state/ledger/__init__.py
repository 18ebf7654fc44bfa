"""The facts of one member, folded from events: claim families, enrollment spans, selections, and what of them is evidence.

Order and repetition of events do not matter; the newest version of a fact stands.
Nothing here decides whose patient a member is.
"""
