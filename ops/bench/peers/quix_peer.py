"""Quix Streams with state: whose patient by the visits of 12 months, for every claim; a changed answer goes to a topic.

Only that: no eligibility, selections, versions, roster, runner-up, end in sight, alerts or evidence.
"""

import io
import json
import os

import fastavro
from progress import Progress
from quixstreams import Application

WINDOW = 365
VISITS = frozenset(
    str(code) for span in ((99202, 99206), (99211, 99216), (99381, 99388), (99391, 99398)) for code in range(*span)
)
schema = fastavro.parse_schema(json.loads(os.environ["BENCH_SCHEMA"]))
progress = Progress()


def attribute(value, state):  # type: ignore[no-untyped-def]
    """The member's practice after a claim if it is another than before, else None."""
    data = io.BytesIO(value)
    data.seek(5)
    claim = fastavro.schemaless_reader(data, schema)
    practice = claim["billing_tin"]
    visits = state.get("visits") or []
    visits += [
        [line["claim_line_start_date"].toordinal(), practice]
        for line in claim["lines"]
        if practice and line["hcpcs_code"] in VISITS
    ]
    progress.seen()
    if not visits:
        return None
    newest = max(day for day, _ in visits)
    visits = [visit for visit in visits if visit[0] > newest - WINDOW]
    days: dict[str, set[int]] = {}
    for day, at in visits:
        days.setdefault(at, set()).add(day)
    best = max(days, key=lambda at: (len(days[at]), max(days[at]), at))
    state.set("visits", visits)
    if state.get("practice") == best:
        return None
    state.set("practice", best)
    return {"practice": best}


app = Application(
    broker_address=os.environ["KAFKA_BOOTSTRAP"],
    consumer_group=os.environ["BENCH_GROUP"],
    auto_offset_reset="earliest",
    state_dir=os.environ["BENCH_FOLDER"],
    loglevel="WARNING",
    commit_interval=1.0,
)
claims = app.topic(os.environ["BENCH_TOPIC"], value_deserializer="bytes", key_deserializer="bytes")
answers = app.topic(os.environ["BENCH_TOPIC"] + "-quix", value_serializer="json", key_serializer="bytes")
frame = app.dataframe(claims).apply(attribute, stateful=True)
frame = frame.filter(lambda answer: answer is not None)
frame.to_topic(answers)

if __name__ == "__main__":
    app.run()
