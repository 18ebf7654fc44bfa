"""Whose patient a member is on a day, why, until when, and what a practice is told about it.

Pure functions from (a member's facts, a day, knowledge); one rule of attribution.md section 2 in one module.
Nothing here changes a fact.
"""
