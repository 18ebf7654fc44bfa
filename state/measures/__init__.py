"""The measure set: one module a measure, a pure function from a member's facts to populations, numerator, evidence and gap.

What varies by year, program or contract is data in an edition (`state/data/editions`); which codes count is data in value sets.
No Kafka, no clock, no file: whoever asks brings facts, edition and value sets.
"""
