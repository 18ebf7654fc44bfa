"""What is said on the wire: topics, records, Avro schemas, the codec, the key of a member and its partition.

Everything that crosses a process border is described here and nowhere else.
Imports nothing of ours; knows no rule of the program.
"""
