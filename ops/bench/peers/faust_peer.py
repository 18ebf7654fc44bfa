"""A Faust agent of single events: `noop` does nothing with a claim, `decode` reads its Avro, `count` counts it in a Faust table."""

import io
import json
import os

import fastavro
import faust

from ops.bench.peers.progress import Progress

MODE = os.environ["BENCH_MODE"]
app = faust.App(
    os.environ["BENCH_GROUP"],
    broker=f"kafka://{os.environ['KAFKA_BOOTSTRAP']}",
    datadir=os.environ["BENCH_FOLDER"],
    store="memory://",
    topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=10.0,
    broker_heartbeat_interval=1.0,
    broker_rebalance_timeout=20.0,
    broker_request_timeout=30.0,
)
claims = app.topic(os.environ["BENCH_TOPIC"], key_type=bytes, key_serializer="raw", value_serializer="raw")
schema = fastavro.parse_schema(json.loads(os.environ["BENCH_SCHEMA"]))
progress = Progress()

if MODE == "count":
    counts = app.Table("counts", default=int, key_type=str, value_type=int)

    @app.agent(claims)
    async def count(stream):  # type: ignore[no-untyped-def]
        """Count the claims of each member."""
        async for event in stream.events():
            counts[event.key.decode()] += 1
            progress.seen()

elif MODE == "decode":

    @app.agent(claims)
    async def decode(stream):  # type: ignore[no-untyped-def]
        """Read the Avro of each claim."""
        async for event in stream.events():
            data = io.BytesIO(event.value)
            data.seek(5)
            fastavro.schemaless_reader(data, schema)
            progress.seen()

else:

    @app.agent(claims)
    async def noop(stream):  # type: ignore[no-untyped-def]
        """Do nothing."""
        async for _ in stream.events():
            progress.seen()


if __name__ == "__main__":
    app.main()
