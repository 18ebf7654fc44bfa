"""The worker: one Faust app that runs intake, member agents, the conductor and their relays on whatever it is assigned.

Faust gives agents, assignment, timers and the process; state and positions are ours (design.md, exactly-once effects on Faust).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import faust
import prometheus_client
from faust.types import TP

from schemas.codec import Codec
from schemas.registry import RegistryAway, RegistryError, registry_for
from schemas.topics import TOPICS
from schemas.topics import name as topic_name
from state.reference.knowledge import Knowledge
from state.reference.tables import TableError, TableStore
from state.stores.log_state import LogState, StateFileError
from state.stores.members import MemberState
from state.stores.program import ProgramState
from streams import topic_admin
from streams.batching import Batch, consumer_of, install
from streams.conductor import Conductor, tick_if_midnight_passed
from streams.intake import Intake
from streams.members import MemberPartition
from streams.producing import FencedSender, Sender
from streams.relay import Relay
from streams.said import last_said
from streams.settings import Settings, member_file
from streams.stopping import EXIT_BROKER, EXIT_CONFIG, EXIT_FAULT, EXIT_STATE, Stop, end_process
from streams.vault import Vault

logger = logging.getLogger(__name__)

RECORDS = prometheus_client.Counter(
    "panelstream_records", "Records worked, by stage, kind and result.", ["stage", "kind", "result"]
)
BATCH_SECONDS = prometheus_client.Histogram("panelstream_batch_seconds", "Time to work one batch, by stage.", ["stage"])

FAREWELL = 20.0
"""Seconds an orderly end may take."""
TICK_LOOK = 5.0
"""Seconds between two looks at the calendar."""


@dataclass(slots=True)
class Held:
    """A partition this worker owns: its agent, its state file, its relay."""

    agent: MemberPartition | Conductor
    state: LogState
    relay: Relay
    relaying: asyncio.Task[None]
    working: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a batch is applied: a partition is not let go in the middle of one."""


class Worker:
    """Builds the app and holds what its partitions need while they are assigned."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.codec = Codec(registry_for(settings.registry_url, settings.prefix))
        self.knowledge = Knowledge.initial(TableStore([settings.tables]))
        self.vault = Vault(settings.keys)
        self._member_events = topic_name(settings.prefix, "member-events")
        self._control = topic_name(settings.prefix, "control")
        self._held: dict[TP, Held] = {}
        self._opening: dict[TP, asyncio.Lock] = {}
        self._revocations = 0
        self._sender: Sender | None = None
        self._last_tick: dt.date | None = None
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
            broker_commit_interval=0.25,
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
        app.on_partitions_revoked.connect(cast(Any, self._on_revoked))
        app.on_before_shutdown.connect(cast(Any, self._on_shutdown))
        return app

    def _agent(self, app: faust.App, stage: str, topics: list[str], work: Callable[[Batch], Awaitable[None]]) -> None:
        async def agent(stream: faust.StreamT[Any]) -> AsyncIterator[None]:
            async for event in stream.events():
                batch: Any = event.message.value
                # What came before a rebalance is fetched again by whoever owns the partition now.
                if batch.generation == app.consumer_generation_id:
                    started = time.perf_counter()
                    with self._ending_on_fault():
                        await work(batch)
                    BATCH_SECONDS.labels(stage).observe(time.perf_counter() - started)
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
        except (TableError, RegistryError) as problem:
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
        intake = Intake(
            self.codec,
            self.vault,
            self._plain_sender(),
            prefix=self.settings.prefix,
            partitions=self.settings.partitions,
            now=lambda: dt.datetime.now(dt.UTC),
        )
        counted = await intake.take(batch)
        topic = batch.tp.topic.removeprefix(self.settings.prefix)
        RECORDS.labels("intake", topic, "accepted").inc(counted.accepted)
        for reason in counted.refused:
            RECORDS.labels("intake", topic, reason).inc()
        consumer_of(self.app).settle(batch)

    async def _apply(self, batch: Batch) -> None:
        held = self._held.get(batch.tp)
        if held is None:
            return
        async with held.working:
            if self._held.get(batch.tp) is not held:
                return
            await held.agent.apply(batch)
        if isinstance(held.agent, MemberPartition):
            for (kind, result), count in held.agent.counts.items():
                RECORDS.labels("members", kind, result).inc(count)
            held.agent.counts.clear()
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
                return self._held[tp].state.watermark
        return None

    async def _open(self, tp: TP) -> Held:
        settings = self.settings
        settle = consumer_of(self.app).settle
        if tp.topic == self._control:
            program = await ProgramState.open(
                settings.state / "control.sqlite", topic=tp.topic, partition=0, partitions=1
            )
            return self._hold(
                Conductor(program, self.codec, prefix=settings.prefix, partitions=settings.partitions),
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

    def _hold(self, agent: MemberPartition | Conductor, state: LogState, relay: Relay) -> Held:
        async def relaying() -> None:
            with self._ending_on_fault():
                await relay.run()

        return Held(agent, state, relay, asyncio.create_task(relaying()))

    async def _let_go(self, tps: Iterable[TP]) -> None:
        await self._close([self._held.pop(tp) for tp in tps if tp in self._held])

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


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    end_process(
        f"The worker could not say farewell to the broker within {seconds:.0f} seconds and has left; nothing is lost.",
        EXIT_BROKER,
    )


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop (exit 0) or must not go on (a sentence and another exit code)."""
    try:
        topic_admin.require(settings)
        worker = Worker(settings)
    except RegistryAway as problem:
        raise Stop(str(problem), EXIT_BROKER) from None
    except (TableError, RegistryError) as problem:
        raise Stop(str(problem), EXIT_CONFIG) from None
    _make_folder(settings.state)
    if settings.metrics_port is not None:
        try:
            prometheus_client.start_http_server(settings.metrics_port, addr="127.0.0.1")
        except OSError:
            raise Stop(
                f"Port {settings.metrics_port} on 127.0.0.1 is taken: set PANELSTREAM_METRICS_PORT to a free one.",
                EXIT_CONFIG,
            ) from None
    service = faust.Worker(worker.app, loglevel="WARNING", redirect_stdouts=False, quiet=True)
    service.spinner = None  # it writes control codes even where nobody sees them
    try:
        service.execute_from_commandline()
    except SystemExit as end:
        return int(end.code or 0) if isinstance(end.code, int | None) else EXIT_FAULT
    except Exception as problem:
        raise Stop(
            f"The worker's connection to Kafka ended ({type(problem).__name__}): check the broker, then start it again.",
            EXIT_BROKER,
        ) from None
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
