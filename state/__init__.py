"""What is known and what follows from it: facts of members, reference data, attribution, alerts, and the files they rest in.

Pure: dates and knowledge are arguments, results are values; SQLite lives in `state.stores` alone.
No Kafka, no clock, no environment.
"""
