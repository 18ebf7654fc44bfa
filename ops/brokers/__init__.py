"""Brokers and registries that we start ourselves: real ones for tests and benchmarks, an embedded one for the demo.

Nothing here is how to run Kafka for members and money; that broker is the operator's and is named in `KAFKA_BOOTSTRAP`.
No other package may import this one, and it knows nothing of claims.
"""
