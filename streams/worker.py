"""The worker: one Faust app that runs intake, member agents, the conductor and their relays on whatever it is assigned.

Faust gives agents, assignment, timers and the process; state and positions are ours (design.md, exactly-once effects on Faust).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import gc
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

import faust
from faust.types import TP

from schemas.codec import Codec
from schemas.registry import RegistryAway, RegistryError, registry_for
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from state.reference.knowledge import Knowledge
from state.reference.tables import TableError, TableStore
from state.reference.value_sets import InvalidValueSets
from state.stores.log_state import LogState, StateFileError
from state.stores.members import MemberState
from state.stores.program import ProgramState
from streams import logs, metrics, status, topic_admin
from streams.batching import Batch, consumer_of, install
from streams.conductor import Conductor, tick_if_midnight_passed
from streams.intake import ARRIVED_HEADER, Intake
from streams.members import MemberPartition
from streams.producing import FencedSender, Sender
from streams.relay import Relay
from streams.said import last_said
from streams.settings import Settings, member_file
from streams.status import Pulse
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, EXIT_FAULT, EXIT_STATE, Stop, end_process
from streams.vault import Vault

logger = logging.getLogger(__name__)

RECORDS = metrics.counter("panelstream_records_total")
QUARANTINED = metrics.counter("panelstream_quarantined_total")
BATCH_SECONDS = metrics.histogram("panelstream_batch_seconds")
END_TO_END = metrics.histogram("panelstream_end_to_end_seconds")
SAID = {
    "alert-history": metrics.counter("panelstream_alerts_total"),
    "attribution-changes": metrics.counter("panelstream_changes_total"),
    "adjustments": metrics.counter("panelstream_adjustments_total"),
}
LAG = metrics.gauge("panelstream_lag_records")
OF_A_LOG = tuple(metrics.gauge(f"panelstream_{name}") for name in ("outbox_rows", "watermark_age_seconds"))
OF_A_PARTITION = tuple(
    metrics.gauge(f"panelstream_{name}")
    for name in ("members_due", "members_failed", "alerts_open", "clock_date_seconds")
)
BEHIND = 10_000
"""Records of lag with which a worker is not ready: it answers, but of what was."""

HANDS = 2
"""Member partitions at work at once: while SQLite reads or writes for one of them, the rules run for another."""
FAREWELL = 20.0
"""Seconds an orderly end may take."""
LOOK_FOR_CRASH = 1.0
"""Seconds between two looks at whether Faust has crashed."""
TICK_LOOK = 5.0
"""Seconds between two looks at the calendar."""
OBJECTS_BETWEEN_LOOKS = 50_000
"""New objects after which Python looks for rings among them. A batch makes hundreds of thousands, nearly all of which go without such a
look; with Python's own 700 the looks took a third of the time of a member agent with measures."""


@dataclass(slots=True)
class Held:
    """A partition this worker owns: its agent, its state file, its relay."""

    agent: MemberPartition | Conductor
    state: LogState
    relay: Relay
    relaying: asyncio.Task[None]
    worked_at: float = field(default_factory=time.time)
    """When the last record worked was written; until there is one, when the file was opened."""
    working: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a batch is applied: a partition is not let go in the middle of one."""
    handed: asyncio.Task[None] | None = None
    """The application of the batch that was handed over last."""


class Worker:
    """Builds the app and holds what its partitions need while they are assigned."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.codec = Codec(registry_for(settings.registry_url, settings.prefix))
        self.tables = TableStore([settings.tables])
        self.knowledge = Knowledge.initial(self.tables)
        self.vault = Vault(settings.keys)
        self._member_events = topic_name(settings.prefix, "member-events")
        self._control = topic_name(settings.prefix, "control")
        self._held: dict[TP, Held] = {}
        self._opening: dict[TP, asyncio.Lock] = {}
        self._revocations = 0
        self._hands = asyncio.Semaphore(HANDS)
        self._sender: Sender | None = None
        self._last_tick: dt.date | None = None
        self.pulse = Pulse()
        self.app = self._build()

    def _build(self) -> faust.App:
        settings = self.settings
        app = faust.App(
            settings.group,
            broker=f"kafka://{settings.bootstrap.replace(',', ';kafka://')}",
            datadir=str(settings.state / "faust"),
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=settings.partitions,
            table_standby_replicas=0,
            web_enabled=False,
            web_tables_enabled=False,
            broker_commit_interval=0.1,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=1.0,
            broker_rebalance_timeout=20.0,
            broker_request_timeout=30.0,
            broker_max_poll_records=2_000,
            broker_check_crcs=not settings.embedded,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=4_500_000,
            consumer_group_instance_id=settings.worker,
            # Counts messages, and a message is a batch here: more would only hold memory.
            stream_buffer_maxsize=2,
            stream_recovery_delay=0.0,
        )
        install(app, self._own_position)
        inputs = [topic_name(settings.prefix, topic.name) for topic in TOPICS if topic.is_input]
        self._agent(app, "intake", inputs, self._intake)
        self._agent(app, "conductor", [self._control], self._apply)
        self._agent(app, "members", [self._member_events], self._apply)
        app.timer(TICK_LOOK)(self._look_at_calendar)
        app.timer(metrics.LOOK)(self._look_at_gauges)
        app.timer(1.0)(self._beat)
        app.on_partitions_revoked.connect(cast(Any, self._on_revoked))
        app.on_before_shutdown.connect(cast(Any, self._on_shutdown))
        return app

    def _agent(self, app: faust.App, stage: str, topics: list[str], work: Callable[[Batch], Awaitable[None]]) -> None:
        async def agent(stream: faust.StreamT[Any]) -> AsyncIterator[None]:
            async for event in stream.events():
                batch: Any = event.message.value
                # What came before a rebalance is fetched again by whoever owns the partition now.
                if batch.generation == app.consumer_generation_id:
                    await work(batch)
                yield

        topic = app.topic(*topics, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=f"panelstream.{stage}", concurrency=1)(agent)

    @contextlib.contextmanager
    def _ending_on_fault(self) -> Any:
        """Nothing unknown is survived: an exception that left an agent would acknowledge the batch (faust.md H6)."""
        try:
            yield
        except Stop as stop:
            end_process(stop.sentence, stop.code)
        except StateFileError as problem:
            end_process(str(problem), EXIT_STATE)
        except RegistryAway as problem:
            end_process(str(problem), EXIT_BROKER)
        except (TableError, RegistryError, InvalidValueSets) as problem:
            end_process(str(problem), EXIT_CONFIG)
        except sqlite3.OperationalError as problem:
            end_process(
                f"A state file under {self.settings.state} cannot be written ({problem}): free its disk or restore its "
                "permissions, then start the worker again; nothing of the batch was kept or acknowledged.",
                EXIT_STATE,
            )
        except Exception as fault:
            where = _last_frames(fault)
            end_process(
                f"An unknown fault, {type(fault).__name__} at {where}: nothing was acknowledged; please report it.",
                EXIT_FAULT,
            )

    # -- batches --------------------------------------------------------------------------------------------------------

    async def _intake(self, batch: Batch) -> None:
        with self._ending_on_fault(), BATCH_SECONDS.labels("intake").time():
            await self._take_in(batch)

    async def _take_in(self, batch: Batch) -> None:
        intake = Intake(
            self.codec,
            self.vault,
            self._plain_sender(),
            prefix=self.settings.prefix,
            partitions=self.settings.partitions,
            tables=self.tables,
            now=lambda: dt.datetime.now(dt.UTC),
        )
        counted = await intake.take(batch)
        topic = batch.tp.topic.removeprefix(self.settings.prefix)
        RECORDS.labels("intake", topic, "accepted").inc(counted.accepted)
        for reason in counted.refused:
            RECORDS.labels("intake", topic, reason).inc()
            QUARANTINED.labels(topic, reason).inc()
        consumer_of(self.app).settle(batch)

    async def _apply(self, batch: Batch) -> None:
        """Hand a batch to its partition; return when the one before it is done, so that at most one waits in each."""
        held = self._held.get(batch.tp)
        if held is None:
            return
        before, held.handed = held.handed, asyncio.create_task(self._work(held, batch))
        if before is not None:
            await before

    async def _work(self, held: Held, batch: Batch) -> None:
        members = isinstance(held.agent, MemberPartition)
        with self._ending_on_fault():
            # Whoever waits longest for the lock has it next: the batches of a partition are applied in order.
            async with held.working, self._hands if members else contextlib.nullcontext():
                if self._held.get(batch.tp) is not held:
                    return
                with BATCH_SECONDS.labels("members" if members else "conductor").time():
                    await held.agent.apply(batch)
            held.worked_at = batch.records[-1].timestamp / 1000
            _count(held.agent)
            held.relay.committed(batch)

    def _plain_sender(self) -> Sender:
        if self._sender is None:
            self._sender = Sender(self.settings.bootstrap)
        return self._sender

    # -- partitions -----------------------------------------------------------------------------------------------------

    async def _own_position(self, tp: TP) -> int | None:
        if tp.topic not in (self._member_events, self._control):
            return None
        with self._ending_on_fault():
            async with self._opening.setdefault(tp, asyncio.Lock()):
                if tp not in self._held:
                    revocations = self._revocations
                    held = await self._open(tp)
                    if revocations != self._revocations:
                        # It was taken away while its file was being opened: whoever has it now needs the file.
                        await self._close([held])
                        return None
                    self._held[tp] = held
                    # What is known of reference stays as long as the partition. The members of every batch set the collector to work:
                    # walking all of that again each time took half of the member agent's time.
                    gc.freeze()
                    logger.info("%s[%d] is open at %d", tp.topic, tp.partition, held.state.watermark)
                held = self._held[tp]
                watermark = held.state.watermark
                # Acknowledged only when the outputs that wait in the file are out.
                held.relay.committed(Batch(tp, self.app.consumer_generation_id, watermark, watermark, ()))
                return watermark
        return None

    async def _open(self, tp: TP) -> Held:
        settings = self.settings
        settle = self._settle
        if tp.topic == self._control:
            program = await ProgramState.open(
                settings.state / "control.sqlite", topic=tp.topic, partition=0, partitions=1
            )
            return self._hold(
                Conductor(
                    program,
                    self.codec,
                    prefix=settings.prefix,
                    partitions=settings.partitions,
                    tables=self.tables,
                ),
                program,
                Relay(program, Sender(settings.bootstrap), settle, settings.partitions),
            )
        members = await MemberState.open(
            member_file(settings.state, tp.partition),
            topic=tp.topic,
            partition=tp.partition,
            partitions=settings.partitions,
        )
        agent = await MemberPartition.resume(
            members,
            self.knowledge,
            self.codec,
            prefix=settings.prefix,
            partition=tp.partition,
            partitions=settings.partitions,
        )
        sender = FencedSender(settings.bootstrap, f"{settings.group}-members-{tp.partition}")
        said = functools.partial(last_said, settings, self.codec, tp.partition)
        answers = (self._control, self._plain_sender())
        return self._hold(agent, members, Relay(members, sender, settle, settings.partitions, said, answers))

    def _settle(self, batch: Batch) -> None:
        """Everything that came of a batch can be read: it may be acknowledged."""
        consumer_of(self.app).settle(batch)
        arrived = next((dict(one.headers)[ARRIVED_HEADER] for one in batch.records if one.headers), None)
        if arrived is not None:
            END_TO_END.observe(max(0.0, time.time() - int(arrived) / 1000))

    def _hold(self, agent: MemberPartition | Conductor, state: LogState, relay: Relay) -> Held:
        async def relaying() -> None:
            with self._ending_on_fault():
                await relay.run()

        log = "control" if isinstance(state, ProgramState) else "member-events"
        state.timing = metrics.histogram("panelstream_transaction_seconds").labels(log).time
        return Held(agent, state, relay, asyncio.create_task(relaying()))

    async def _let_go(self, tps: Iterable[TP]) -> None:
        gone = [tp for tp in tps if tp in self._held]
        held = [self._held.pop(tp) for tp in gone]
        gc.unfreeze()
        for tp in gone:
            self._forget_gauges(tp)
            logger.info("%s[%d] is let go", tp.topic, tp.partition)
        await self._close(held)

    async def _close(self, gone: Sequence[Held]) -> None:
        for held in gone:
            held.relay.close()
        for held in gone:
            await held.relaying
            async with held.working:
                await held.state.close()

    async def _on_revoked(self, _app: object, revoked: set[TP], **_: object) -> None:
        self._revocations += 1
        await self._let_go(revoked)

    async def _on_shutdown(self, _app: object, **_: object) -> None:
        # Without a broker an orderly farewell never ends; what is committed is safe, so that going at once loses nothing.
        threading.Thread(target=_end_after, args=(FAREWELL,), daemon=True).start()
        await self._let_go(list(self._held))

    # -- being seen -----------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        self.pulse.beat(tuple(self._lacking()))

    def _lacking(self) -> Iterator[str]:
        """What keeps this worker from being ready."""
        consumer = consumer_of(self.app)
        assigned = consumer.assignment()
        if not self.app.started or self.app.rebalancing or not consumer.flow_active:
            yield "partitions are being assigned"
            return
        for tp in sorted(assigned):
            held = self._held.get(tp)
            if tp.topic in (self._member_events, self._control) and held is None:
                yield f"{tp.topic}[{tp.partition}] is being opened"
            elif held is not None and (lag := self._lag(tp, held)) > BEHIND:
                yield f"{tp.topic}[{tp.partition}] is {lag:,} records behind"

    def _lag(self, tp: TP, held: Held) -> int:
        return max(0, (consumer_of(self.app).end_of(tp) or 0) - held.state.watermark)

    async def _look_at_gauges(self) -> None:
        with self._ending_on_fault():
            held_now = dict(self._held)
            logs = Counter("control" if tp.topic == self._control else "member-events" for tp in held_now)
            for log in ("control", "member-events"):
                metrics.gauge("panelstream_partitions").labels(log).set(logs[log])
            for tp, held in held_now.items():
                async with held.working:
                    if self._held.get(tp) is held:
                        await self._look_at(tp, held)
            consumer = consumer_of(self.app)
            for tp in consumer.assignment() - held_now.keys():
                end, done = consumer.end_of(tp), consumer.settled(tp)
                if end is not None and done is not None:
                    LAG.labels(tp.topic.removeprefix(self.settings.prefix), tp.partition).set(max(0, end - done))

    async def _look_at(self, tp: TP, held: Held) -> None:
        log, lag = tp.topic.removeprefix(self.settings.prefix), self._lag(tp, held)
        LAG.labels(log, tp.partition).set(lag)
        rows, age = OF_A_LOG
        rows.labels(log, tp.partition).set(await held.state.outbox_rows())
        age.labels(log, tp.partition).set(max(0.0, time.time() - held.worked_at) if lag else 0.0)
        if isinstance(held.state, ProgramState):
            metrics.gauge("panelstream_closes_open").set(await held.state.open_closes())
        elif isinstance(held.state, MemberState):
            due, failed, alerts, date = OF_A_PARTITION
            for gauge, number in zip((due, failed, alerts), await held.state.standing(), strict=True):
                gauge.labels(tp.partition).set(number)
            if held.state.as_of is not None:
                midnight = dt.datetime.combine(held.state.as_of, dt.time(), dt.UTC)
                date.labels(tp.partition).set(midnight.timestamp())

    def _forget_gauges(self, tp: TP) -> None:
        """A partition that another worker shows now is no longer shown here."""
        log, partition = tp.topic.removeprefix(self.settings.prefix), str(tp.partition)
        for gauge in (LAG, *OF_A_LOG):
            with contextlib.suppress(KeyError):
                gauge.remove(log, partition)
        if tp.topic == self._control:
            metrics.gauge("panelstream_closes_open").set(0)
        if tp.topic == self._member_events:
            for gauge in OF_A_PARTITION:
                with contextlib.suppress(KeyError):
                    gauge.remove(partition)

    # -- the calendar ---------------------------------------------------------------------------------------------------

    async def _look_at_calendar(self) -> None:
        held = next((held for held in list(self._held.values()) if isinstance(held.agent, Conductor)), None)
        if held is None or self.settings.clock == "manual":
            return
        today = dt.datetime.now(self.settings.timezone).date()
        if self._last_tick == today or not isinstance(held.agent, Conductor):
            return
        with self._ending_on_fault():
            sender = self._plain_sender()
            await tick_if_midnight_passed(held.agent.state, self.codec, sender, self.settings.prefix, today)
            self._last_tick = today


def _count(agent: MemberPartition | Conductor) -> None:
    """Hand what an agent has counted to the metrics."""
    if isinstance(agent, Conductor):
        for reading, seconds in agent.closed:
            metrics.histogram("panelstream_close_seconds").labels(reading).observe(seconds)
        agent.closed.clear()
        return
    for (kind, result), count in agent.counts.items():
        RECORDS.labels("members", kind, result).inc(count)
    for (what, label), count in agent.said.items():
        if what == "refused":
            QUARANTINED.labels(*label.split("|")).inc(count)
        else:
            SAID[what].labels(label).inc(count)
    agent.counts.clear()
    agent.said.clear()


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    end_process(
        f"The worker could not say farewell to the broker within {seconds:.0f} seconds and has left; nothing is lost.",
        EXIT_BROKER,
    )


def _end_crashed(service: faust.Worker) -> NoReturn:
    reason = service.crash_reason
    where = "" if reason is None else f" ({type(reason).__name__} at {_last_frames(reason)})"
    end_process(f"Faust's part of the worker has crashed{where}: nothing was acknowledged; start it again.", EXIT_FAULT)


def _end_after_a_crash(service: faust.Worker) -> None:
    """Faust that crashes while it starts may wait for itself for ever: the process does not."""
    while service.crash_reason is None:
        time.sleep(LOOK_FOR_CRASH)
    time.sleep(FAREWELL)
    _end_crashed(service)


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop (exit 0) or must not go on (a sentence and another exit code)."""
    try:
        topic_admin.require(settings)
        worker = Worker(settings)
    except RegistryAway as problem:
        raise Stop(str(problem), EXIT_BROKER) from None
    except (TableError, RegistryError, InvalidValueSets) as problem:
        raise Stop(str(problem), EXIT_CONFIG) from None
    _make_folder(settings.state)
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
    if settings.metrics_port is not None:
        status.serve(settings.metrics_host, settings.metrics_port, worker.pulse)
    logs.set_up(settings.log)
    service = faust.Worker(worker.app, override_logging=False, redirect_stdouts=False, quiet=True)
    threading.Thread(target=_end_after_a_crash, args=(service,), daemon=True).start()
    service.spinner = None  # it writes control codes even where nobody sees them
    try:
        service.execute_from_commandline()
    except SystemExit as end:
        if end.code:
            # Partitions may have been opened while Faust fell: a process that left in order would wait for their files for ever.
            _end_crashed(service)
    except Exception as problem:
        end_process(
            f"The worker's connection to Kafka ended ({type(problem).__name__}): check the broker, then start it again.",
            EXIT_BROKER,
        )
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise Stop(
            f"The state folder {folder} cannot be made ({problem.strerror}): set PANELSTREAM_STATE to a local disk.",
            EXIT_STATE,
        ) from None


def _last_frames(fault: BaseException) -> str:
    frames = []
    traceback = fault.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return " < ".join(reversed(frames[-4:]))
