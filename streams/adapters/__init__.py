"""What turns a source's own files into event files: one module per source, named after it.

An adapter knows the layout and the oddities of its source and nothing of Kafka, of rules or of results.
Each offers `events(folder)`, which yields records of the event files in the order of their acceptance.
"""
