"""`panelstream demo`: the main job with real input, for a person to follow in a minute.

On one clock: ten real-shaped members (Tuva, 2016 to 2018), then 1,000 made-up members of three payers, with what their measures say.
A month is lived, its end day by day, good days and bad ones; then lists and rates are frozen, for a month and for a period. Everything
shown is read back from the topics that consumers read.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import confluent_kafka
import typer
from rich.console import Console
from rich.table import Table as Grid

from ops import demo_closes, demo_measures
from ops.brokers.embedded import EmbeddedBroker
from ops.sample.population import Event, population
from schemas.codec import Codec, Undecodable
from schemas.records import Alert, Attribution, Refused, Version
from schemas.registry import registry_for
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from streams import topic_admin
from streams.adapters import tuva
from streams.adapters.left_out import listing
from streams.producing import Message, Sender
from streams.publishing import message_of
from streams.settings import Settings
from streams.stopping import EXIT_FAULT, Stop
from streams.waiting import wait_until_applied, wait_until_quiet

V = TypeVar("V")

SAMPLE = Path(__file__).parent / "sample"
OUT = Path("demo-out")
PARTITIONS = 12
MOST_PARTITION_BYTES = 3_000_000
"""The embedded broker drops old records silently beyond 5 MiB a partition: the demo must stay well below."""
MEMBERS = 1_000
SEED = 2025
HISTORY_FROM = dt.date(2024, 1, 1)
MONTH = (dt.date(2025, 6, 1), dt.date(2025, 6, 30))
DAILY_FROM = dt.date(2025, 6, 19)
"""The first weeks of the month pass in one step, so that the demo stays short; then every day is shown."""
LATE_UNTIL = dt.date(2025, 7, 31)
TUVA_DATE = dt.date(2018, 7, 1)
ATTRIBUTING = frozenset({"claim", "enrollment"})
"""What of the ten members is sent: their charts are measured by `replay` (docs/samples.md)."""
SHOWN_PER_DAY = 1
REASONS = {
    "aging_out": "last visit is ageing out",
    "outranked": "another practice is ahead",
    "already_tied": "tied with another practice",
    "fallback_flip": "18-month count favours another practice",
    "selection_ending": "PCP selection ends",
    "selection_changed": "another PCP was selected",
    "coverage_ending": "coverage ends",
    "product_change": "leaves the covered products",
    "provider_leaving": "the PCP leaves",
    "practice_leaving": "the practice leaves",
    "data_retracted": "a claim was voided or denied",
    "deceased": "deceased",
}


def command(
    exit_: Annotated[bool, typer.Option("--exit", help="End by itself, leaving what it made under demo-out/.")] = False,  # noqa: FBT002
) -> None:
    """Show the main job in under two minutes: real claims in, attribution and fall-off alerts out.

    Runs on KAFKA_BOOTSTRAP where set, else on a broker inside this process (no Java needed). Then the service is left
    running with its address printed, until Ctrl-C.

    Example: panelstream demo --exit
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the worker ends with us, however we are told to end
    Demo(Console(highlight=False, width=None if sys.stdout.isatty() else 150)).run(leave_running=not exit_)


@dataclass
class Heard:
    """What has been read back from the output topics: the newest value of each key, and every alert event."""

    attribution: dict[str, tuple[Version, Attribution]] = field(default_factory=dict)
    alerts: dict[str, tuple[Version, Alert]] = field(default_factory=dict)
    new_alerts: list[Alert] = field(default_factory=list)
    refused: dict[str, Refused] = field(default_factory=dict)


class Demo:
    """One run of the demo."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.heard = Heard()
        self.late: list[Event] = []
        """What plans send after the month: it is late for it."""
        self._history_versions: set[Version] = set()

    def run(self, *, leave_running: bool) -> None:
        """Show it; then wait for Ctrl-C, or end."""
        started = time.monotonic()
        shutil.rmtree(OUT, ignore_errors=True)
        OUT.mkdir()
        broker = None if os.environ.get("KAFKA_BOOTSTRAP") else EmbeddedBroker()
        prefix = f"demo-{secrets.token_hex(3)}." if broker is None else ""
        if broker:
            broker.start({topic_name(prefix, topic.name): PARTITIONS if topic.partitioned else 1 for topic in TOPICS})
        self.settings = Settings.from_environment(
            bootstrap=broker.bootstrap if broker else None,
            prefix=prefix,
            state=OUT / "state",
            tables=OUT / "state" / "tables",
            keys=OUT / "state" / "keys",
            partitions=PARTITIONS,
            clock="manual",
            metrics_port=_free_port(),
            embedded=broker is not None,
        )
        if broker is None:
            topic_admin.create(self.settings, replication=1)
        self.codec = Codec(registry_for(self.settings.registry_url, prefix))
        self.sender = Sender(self.settings.bootstrap)
        # The ends are asked of a consumer that fetches nothing: behind a waiting fetch each answer takes 20 ms.
        self.asker, self.consumer = self._consumer(), self._reader()
        worker = self._start_worker()
        try:
            self._say_hello(on_kafka=broker is None)
            self._tuva()
            self._month()
            self._check_sizes(embedded=broker is not None)
            self._farewell(time.monotonic() - started, worker, leave_running=leave_running)
        finally:
            self.asker.close()
            self.consumer.close()
            worker.send_signal(signal.SIGTERM)
            try:
                worker.wait(20)
            except subprocess.TimeoutExpired:
                worker.kill()
            if broker:
                broker.stop()

    # -- the two parts --------------------------------------------------------------------------------------------------

    def _tuva(self) -> None:
        self.title("1  Ten members of the Tuva sample, 2016 to 2018")
        roster = (json.loads(line) for line in (SAMPLE / "tuva" / "roster.ndjson").read_text().splitlines())
        reference = self.publish(roster)
        wait_until_quiet(self.settings)
        with listing(OUT / "tuva.ndjson") as left_out:
            known = [
                event
                for event in tuva.events(SAMPLE / "tuva", left_out)
                if event["event_type"] in ATTRIBUTING and _accepted_on(event) < TUVA_DATE
            ]
        facts = self.publish(known)
        self.tick(TUVA_DATE)
        self.listen()
        self.console.print(
            f"{facts:,} claims and enrollment spans and {reference:,} roster rows came in by {TUVA_DATE}."
        )
        self._show_members(sorted((a for _, a in self.heard.attribution.values()), key=lambda a: a.member_id))
        self.heard.new_alerts.clear()

    def _month(self) -> None:
        first, last = MONTH
        self.title(f"2  {MEMBERS:,} made-up members of three payers, from {HISTORY_FROM} on")
        by_day = itertools.groupby(population(MEMBERS, SEED, HISTORY_FROM, LATE_UNTIL, care=True), key=_accepted_on)
        history: list[Event] = []
        days: dict[dt.date, list[Event]] = {}
        """What comes in, by the last day of each step."""
        for day, those in by_day:
            if day < first:
                history.extend(those)
            elif day <= last:
                days.setdefault(max(day, DAILY_FROM - dt.timedelta(days=1)), []).extend(those)
            else:
                self.late.extend(those)
        self.publish([demo_measures.edition(), demo_measures.PERIOD])
        wait_until_quiet(self.settings)
        sent = self.publish(history)
        self.tick(first)
        demo_closes.frozen(self, f"{first:%Y-%m}", "panel")
        self.listen()
        panels = Counter(
            a.practice_id for _, a in self.heard.attribution.values() if a.as_of > TUVA_DATE and a.practice_id
        )
        open_alerts = sum(alert.state in ("raised", "changed") for _, alert in self.heard.alerts.values())
        self.console.print(
            f"{sent:,} events of history: {panels.total():,} members on the panels of {len(panels)} practices, "
            f"{open_alerts:,} alerts open on {first}.\n"
        )
        self.heard.new_alerts.clear()
        self.title(f"3  What their measures say on {first}")
        live = demo_measures.show_live(self)
        self.title(f"4  {first:%B} {first:%Y}, day by day from {DAILY_FROM:%B %-d} on")
        grid = Grid(box=None, pad_edge=False, header_style="dim")
        for column, justify in (
            ("day", "left"),
            ("events", "right"),
            ("refused", "right"),
            ("raised", "right"),
            ("resolved", "right"),
            ("fallen off", "right"),
            ("for example", "left"),
        ):
            grid.add_column(column, justify=justify, no_wrap=column != "for example")  # type: ignore[arg-type]
        for day, some in days.items():
            before = len(self.heard.refused)
            self.publish(some)
            self.tick(day + dt.timedelta(days=1))
            self.listen()
            states = Counter(alert.state for alert in self.heard.new_alerts)
            grid.add_row(
                f"{day:%a %d}" if day >= DAILY_FROM else f"to {day:%a %d}",
                f"{len(some):,}",
                str(len(self.heard.refused) - before or ""),
                str(states["raised"] or ""),
                str(states["resolved"] or ""),
                str(states["expired"] or ""),
                _example(self.heard.new_alerts),
            )
            self.heard.new_alerts.clear()
        self.console.print(grid)
        demo_closes.show(self, [*history, *(event for some in days.values() for event in some)], self.late, live)
        self._explain_one()
        self._show_quarantine()

    # -- showing --------------------------------------------------------------------------------------------------------

    def _say_hello(self, *, on_kafka: bool) -> None:
        place = (
            f"Kafka at {self.settings.bootstrap}"
            if on_kafka
            else "the embedded broker (for demonstration; no `rebuild` or `topics check` on it)"
        )
        self.console.print(f"[bold]panelstream[/bold]: whose patient is this, and is that about to change? On {place}.")

    def title(self, text: str) -> None:
        """The heading of a part."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def _show_members(self, answers: Iterable[Attribution]) -> None:
        grid = Grid(box=None, pad_edge=False, header_style="dim")
        for column in ("member", "practice", "step", "visits 12m/18m", "last visit", "secure until", "why not"):
            grid.add_column(column, no_wrap=True)
        for answer in answers:
            grid.add_row(
                answer.member_id,
                answer.practice_id or "-",
                answer.step or "-",
                f"{answer.visits_12m}/{answer.visits_18m}",
                str(answer.last_visit_date or "-"),
                str(answer.secure_until or "-"),
                answer.reason or "",
            )
        self.console.print(grid)

    def _explain_one(self) -> None:
        candidates = [
            alert
            for _, alert in self.heard.alerts.values()
            if alert.state in ("raised", "changed") and alert.visits_needed and alert.next_practice_id
        ]
        if not candidates:
            return
        alert = min(candidates, key=lambda a: (a.secure_until or dt.date.max, a.payer, a.member_id))
        self.title(f"6  One of them explained: panelstream explain --payer {alert.payer} --member {alert.member_id}")
        said = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "ops.program", "explain", "--payer", alert.payer, "--member", alert.member_id],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        self.console.print((said.stdout or said.stderr).strip(), markup=False)

    def _show_quarantine(self) -> None:
        reasons = Counter(refused.reason for refused in self.heard.refused.values())
        self.title(f"7  Quarantine: {reasons.total()} records refused, none lost (panelstream quarantine list)")
        grid = Grid(box=None, pad_edge=False, header_style="dim")
        for column in ("records", "reason", "what the first of them is told"):
            grid.add_column(column)
        for reason, count in reasons.most_common():
            first = next(refused for refused in self.heard.refused.values() if refused.reason == reason)
            grid.add_row(str(count), reason, first.message)
        self.console.print(grid)

    def _farewell(self, seconds: float, worker: subprocess.Popen[bytes], *, leave_running: bool) -> None:
        address = f"http://127.0.0.1:{self.settings.metrics_port}/metrics"
        self.console.print(f"\nShown in {seconds:.0f} s. State, log of the worker and keys lie under {OUT}/.")
        if not leave_running:
            return
        self.console.print(
            f"The service goes on: Kafka {self.settings.bootstrap}, metrics [bold]{address}[/bold]. To ask it more, in another terminal:\n"
            f"  export {' '.join(f'{key}={value}' for key, value in self._told().items())}\n"
            "  .venv/bin/panelstream quarantine list\nCtrl-C ends it."
        )
        try:
            worker.wait()
        except KeyboardInterrupt:
            return
        raise Stop(f"The worker ended by itself: see {OUT}/worker.log.", EXIT_FAULT)

    # -- moving ---------------------------------------------------------------------------------------------------------

    def publish(self, events: Iterable[Event]) -> int:
        """Send events as plans would; return how many."""
        count = 0
        for some in _portions(events, 2_000):
            self.sender.send_now([self._message(event) for event in some])
            count += len(some)
        return count

    def _message(self, event: Event) -> Message:
        """As a plan's producer would send it. What is no valid record goes out as it is, for intake to refuse."""
        line = json.dumps(event).encode()
        try:
            record = self.codec.from_json(line)
        except Undecodable:
            return Message(topic_name(self.settings.prefix, "claims"), 0, b"", line)
        return message_of(self.codec, record, prefix=self.settings.prefix, partitions=PARTITIONS, history=True)

    def tick(self, date: dt.date) -> None:
        """Move the clock behind all that was sent, and wait until what follows from it is out."""
        wait_until_applied(self.settings, self.codec, date, with_inputs=True)

    def _consumer(self) -> confluent_kafka.Consumer:
        return confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.settings.bootstrap,
                "group.id": "demo-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
                "log_level": 2,
            }
        )

    def _reader(self) -> confluent_kafka.Consumer:
        """A consumer of the outputs, from their beginning."""
        consumer = self._consumer()
        self._positions = {
            (topic_name(self.settings.prefix, topic), partition): 0
            for topic in ("attribution", "attribution-alerts", "alert-history", "quarantine")
            for partition in range(PARTITIONS)
        }
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0) for topic, partition in self._positions])
        return consumer

    def listen(self) -> None:
        """Read every output topic to its present end."""
        ends = {
            place: self.asker.get_watermark_offsets(confluent_kafka.TopicPartition(*place), timeout=10)[1]
            for place in self._positions
        }
        deadline = time.monotonic() + 30
        while any(self._positions[place] < end for place, end in ends.items()):
            for message in self.consumer.consume(2_000, timeout=0.05):
                if message.error() is None:
                    self._hear(message)
            for place in self.consumer.position([confluent_kafka.TopicPartition(*place) for place in ends]):
                at = (place.topic, place.partition)
                self._positions[at] = max(self._positions[at], place.offset)
            if time.monotonic() > deadline:
                raise Stop(f"The outputs could not be read back within 30 s: see {OUT}/worker.log.", EXIT_FAULT)

    def _hear(self, message: confluent_kafka.Message) -> None:
        topic = (message.topic() or "").removeprefix(self.settings.prefix)
        key, data = (message.key() or b"").decode(), message.value()
        heard = self.heard
        if data is None:
            return
        record, version = self.codec.decode_output(topic, data)
        if isinstance(record, Refused):
            heard.refused[key] = record
        elif isinstance(record, Attribution) and version is not None:
            _newest(heard.attribution, key, version, record)
        elif isinstance(record, Alert) and version is not None:
            if topic == "attribution-alerts":
                _newest(heard.alerts, key, version, record)
            elif version not in self._history_versions:
                self._history_versions.add(version)
                heard.new_alerts.append(record)

    def _check_sizes(self, *, embedded: bool) -> None:
        """The embedded broker drops what is too much without a word: never let the demo show numbers of a cut log."""
        if not embedded:
            return
        for topic in TOPICS:
            for partition in range(PARTITIONS if topic.partitioned else 1):
                self._whole_log(topic_name(self.settings.prefix, topic.name), partition)
        # An envelope is larger than the record it came of: where these fit, those do.
        for partition in range(PARTITIONS):
            size = self._size(topic_name(self.settings.prefix, "member-events"), partition)
            if size > MOST_PARTITION_BYTES:
                raise Stop(
                    f"member-events[{partition}] holds {size:,} bytes, more than the embedded broker keeps safely "
                    f"({MOST_PARTITION_BYTES:,}): the demo has grown too large for it.",
                    EXIT_FAULT,
                )

    def _whole_log(self, topic: str, partition: int) -> int:
        """The end of a partition of which nothing was dropped. Raises `Stop` when its log does not begin at 0."""
        low, high = self.asker.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=10)
        if low:
            raise Stop(
                f"The embedded broker has dropped records of {topic}[{partition}]: the demo has grown too large.",
                EXIT_FAULT,
            )
        return high

    def _size(self, topic: str, partition: int) -> int:
        """Bytes of the keys and values of a partition, read to its end."""
        place = confluent_kafka.TopicPartition(topic, partition, 0)
        high = self._whole_log(topic, partition)
        self.consumer.assign([place])
        size = read = 0
        deadline = time.monotonic() + 20
        while read < high and time.monotonic() < deadline:
            for message in self.consumer.consume(1_000, timeout=0.05):
                size += len(message.key() or b"") + len(message.value() or b"")
                read += message.error() is None
        return size

    # -- the worker -----------------------------------------------------------------------------------------------------

    def _start_worker(self) -> subprocess.Popen[bytes]:
        log = (OUT / "worker.log").open("wb")
        return subprocess.Popen(
            [sys.executable, "-m", "ops.program", "worker"], env=self._environment(), stdout=log, stderr=log
        )

    def _told(self) -> dict[str, str]:
        settings = self.settings
        return {
            "KAFKA_BOOTSTRAP": settings.bootstrap,
            "PANELSTREAM_PREFIX": settings.prefix,
            "PANELSTREAM_STATE": str(settings.state),
            "PANELSTREAM_PARTITIONS": str(settings.partitions),
            "PANELSTREAM_CLOCK": "manual",
            "PANELSTREAM_EMBEDDED": "1" if settings.embedded else "0",
        }

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._told(), "PANELSTREAM_METRICS_PORT": str(self.settings.metrics_port)}


def _example(alerts: list[Alert]) -> str:
    """The most telling alert event of a day, in words."""
    ranked = sorted(
        (alert for alert in alerts if alert.state in ("raised", "expired")),
        key=lambda a: (a.reason == "aging_out", a.state == "expired", a.payer, a.member_id),
    )
    if not ranked:
        return ""
    alert = ranked[0]
    why = REASONS.get(alert.reason, alert.reason)
    if alert.state == "expired":
        return f"{alert.payer} {alert.member_id} has left {alert.practice_id}: {why}"
    keep = (
        f"; {alert.visits_needed} visit{'s' if alert.visits_needed != 1 else ''} would keep them"
        if alert.visits_needed
        else ""
    )
    return f"{alert.payer} {alert.member_id} leaves {alert.practice_id} on {alert.secure_until}: {why}{keep}"


def _newest(known: dict[str, tuple[Version, V]], key: str, version: Version, value: V) -> None:
    if key not in known or version > known[key][0]:
        known[key] = (version, value)


def _accepted_on(event: Event) -> dt.date:
    return dt.date.fromisoformat(str(event["accepted_at"])[:10])


def _portions(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    iterator = iter(events)
    while some := list(itertools.islice(iterator, size)):
        yield some


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
