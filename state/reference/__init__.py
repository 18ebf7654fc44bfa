"""What is known beside members: code lists, rosters, practices, payers, tables, and how a new record of these changes it.

Everything here is a value: applying a record gives new knowledge and says whom it concerns.
No member and no rule of attribution stands here.
"""
