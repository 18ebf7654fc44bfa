"""The measures of one member as they stand: what is kept of its facts, what was last said, and what an event changes of it.

An event touches only the measures that its codes can touch, and only open periods (design.md law 4). What was said is kept, so that a
difference can be told: results as a whole, and what they add to the sums of practices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

import msgspec

from schemas.records import Enrollment
from state.calendar import FOREVER, Day
from state.ledger.rows import History, Row
from state.measures.credit import Credit, PracticeOn, credit_of
from state.measures.editions import Bound
from state.measures.evaluation import ask, seen
from state.measures.facts import Kept, Profile, coded, first_start, last_start
from state.measures.frozen import FrozenReading
from state.measures.gaps import gap_of
from state.measures.keeping import Said as SaidSpan
from state.measures.keeping import kept_of, profile_of, span_of
from state.measures.measuring import Measuring, Window
from state.measures.outcome import Outcome, Sums
from state.measures.rates import Cell, Counted, counted_of, strata_of
from state.measures.results import LIVE, Asked, Result

Key = tuple[str, str, str]
"""Edition, window and measure."""
_encoder = msgspec.msgpack.Encoder()
_kept: msgspec.msgpack.Decoder[Kept] = msgspec.msgpack.Decoder(Kept)


class SaidMeasure(msgspec.Struct, frozen=True, array_like=True):
    """What was last said of a measure: whose credit, a digest of the result, and what it was counted with.

    `window` is the id of the open period, `start` and `end` its days; `opens_on` the next day on which it changes by itself: a
    prospective gap opens, or a month begins.
    """

    edition: str
    window: str
    measure: str
    start: Day
    end: Day
    credit: Credit
    practice: str
    mark: bytes
    counted: tuple[Counted, ...]
    opens_on: Day | None = None

    @property
    def key(self) -> Key:
        """What it is of."""
        return self.edition, self.window, self.measure

    @property
    def rates(self) -> frozenset[str]:
        """The rates that count the member."""
        return frozenset(one.rate for one in self.counted)

    def counts_otherwise(self, other: SaidMeasure) -> bool:
        """Whether another is counted for another practice, or with other numbers."""
        return (self.practice, self.counted) != (other.practice, other.counted)


class Standing(msgspec.Struct, array_like=True):
    """A member's measures as a state file keeps them. `frozen` are readings that are closed.

    `kept` are the kept facts by row, sorted, each as it is stored, without its row: few events need any of them. `last_start` is the
    last day on which anything in them begins; 0 for none.
    """

    spans: list[SaidSpan] = []
    kept: dict[str, bytes] = {}
    said: list[SaidMeasure] = []
    next_day: Day | None = None
    frozen: list[FrozenReading] = []
    last_start: Day = 0

    def facts(self) -> list[Kept]:
        """The kept facts, by row."""
        return [_unpacked(row, stored) for row, stored in self.kept.items()]


class Changes(msgspec.Struct, frozen=True):
    """Results that are others than last time, and what sums change by."""

    results: tuple[Result, ...] = ()
    sums: tuple[tuple[Asked, Cell, Sums], ...] = ()


class Touched(msgspec.Struct, frozen=True):
    """What of a member an event has touched: by edition the measures, each with the roles by which it reads what the event says.

    `since` is the day on which the first of its facts begins. `everything`: demographics or coverage are others.
    """

    everything: bool = False
    measures: Mapping[str, Mapping[str, frozenset[str]]] = {}
    since: Day = 0

    @property
    def is_nothing(self) -> bool:
        """Whether no measure can have changed."""
        return not self.everything and not any(self.measures.values())


def take(
    standing: Standing, rows: Iterable[tuple[str, Row | None]], measuring: Measuring, *, allow_reopen: bool
) -> Touched:
    """Take up cold rows as they are now; say what they can touch. Rows that no measure reads change nothing."""
    everything, since = False, FOREVER
    measures: dict[str, dict[str, frozenset[str]]] = {}
    for name, row in rows:
        if isinstance(row, History) and isinstance(row.statements[0].body, Enrollment):
            everything |= _take_span(standing, name, row)
            continue
        after = kept_of(name, row, measuring.wanted, allow_reopen=allow_reopen)
        stored, packed = standing.kept.get(name), None if after is None else _packed(after)
        if stored == packed:
            continue
        before = None if stored is None else _unpacked(name, stored)
        _put(standing, name, packed)
        standing.last_start = _last_start(standing, before, after)
        since = min(since, *(first_start(one) for one in (before, after) if one is not None))
        for bound in measuring.bounds:
            touched = measures.setdefault(bound.edition.name, {})
            for one in (before, after):
                for measure, roles in () if one is None else bound.touched_by(one).items():
                    touched[measure] = touched.get(measure, frozenset()) | roles
    return Touched(everything, measures, since)


def retake(rows: Mapping[str, Row | None], measuring: Measuring, before: Standing, *, allow_reopen: bool) -> Standing:
    """A member's standing made anew from all cold rows, with what was said before and what is frozen."""
    standing = Standing(said=before.said, frozen=before.frozen)
    take(standing, sorted(rows.items()), measuring, allow_reopen=allow_reopen)
    return standing


def advance(
    standing: Standing,
    measuring: Measuring,
    as_of: Day,
    payer: str,
    practice_on: PracticeOn,
    *,
    touched: Touched | None,
    before: Profile,
    moved_since: Day = 0,
) -> Changes:
    """Ask again what was touched (None: everything) on a day, remember it, and say the differences.

    `before` is who the member was when things were last said: what is taken back is taken from the strata in which it was counted.
    `moved_since` is the first day on which the member may be another practice's than when things were last said: whose credit a measure
    is, is asked where it looks at that day or a later one. What was said of a period that is no longer open stays said; it is remembered
    for as long as the period could be opened again, or it would then be counted twice.
    """
    # Not None: what was touched, of a member who is who they were.
    some = None if touched is None or touched.everything else touched
    profile = profile_of(standing.spans) if some is None else before
    windows = measuring.windows(as_of)
    known = {one.key: one for one in standing.said}
    by_window: dict[tuple[str, str], dict[Key, SaidMeasure]] = {}
    for key, one in known.items():
        by_window.setdefault(key[:2], {})[key] = one
    found: dict[Key, SaidMeasure] = {}
    results: list[Result] = []
    sums: list[tuple[Asked, Cell, Sums]] = []
    for bound in measuring.bounds:
        edition = bound.edition.name
        asked_in = [
            (
                window,
                here,
                None if some is None else _asked(some, bound, window, here, as_of, practice_on, moved_since),
            )
            for window in windows
            for here in (by_window.get((edition, window.id), {}),)
        ]
        only = None if some is None else frozenset(name for _, _, asked in asked_in for name in asked or ())
        person = None if only is not None and not only else seen(profile, standing.facts(), bound, as_of, only=only)
        for window, here, asked in asked_in:
            if person is None or (asked is not None and not asked):
                found.update(here)
                continue
            outcomes_of = ask(person, bound, window.period, only=asked).outcomes
            now = {
                (edition, window.id, measure): _said(edition, window, measure, outcomes, as_of, practice_on)
                for measure, outcomes in outcomes_of.items()
            }
            for key, one in here.items():
                if asked is not None and key[2] not in asked:
                    found[key] = one
                elif key not in now:
                    results.append(Result(edition, window, key[2], "", ()))
                    sums.extend(_taken_back(one, payer, before))
            for key, one in now.items():
                found[key] = one
                old = here.get(key)
                if old != one:
                    results.append(Result(edition, window, key[2], one.practice, outcomes_of[key[2]]))
                if old is None or old.counts_otherwise(one) or before != profile:
                    sums.extend(() if old is None else _taken_back(old, payer, before))
                    sums.extend(_cells(one, payer, profile))
    days = [one.opens_on for one in found.values() if one.opens_on is not None]
    found.update({key: one for key, one in known.items() if key not in found and key[1] in measuring.settled})
    standing.said = [found[key] for key in sorted(found)]
    if standing.last_start > as_of:
        days += [fact.start for one in standing.facts() for fact in coded(one) if fact.start > as_of]
    standing.next_day = min(days, default=None)
    return Changes(tuple(results), tuple(sums))


def _asked(
    touched: Touched,
    bound: Bound,
    window: Window,
    here: Mapping[Key, SaidMeasure],
    as_of: Day,
    practice_on: PracticeOn,
    moved_since: Day,
) -> frozenset[str]:
    """The measures to ask: those touched, those whose gap has opened, and those whose credit is another's now."""
    also = {
        one.measure
        for one in here.values()
        if (one.opens_on is not None and one.opens_on <= as_of)
        or (moved_since <= as_of and not one.credit.stays(one.practice, moved_since, window.period, as_of, practice_on))
    }
    edition = bound.edition.name
    for name, roles in touched.measures.get(edition, {}).items():
        one = here.get((edition, window.id, name))
        if bound.can_change(name, roles, touched.since, window.period, None if one is None else one.rates):
            also.add(name)
    return frozenset(also)


def _said(
    edition: str, window: Window, measure: str, outcomes: tuple[Outcome, ...], as_of: Day, practice_on: PracticeOn
) -> SaidMeasure:
    opens: list[Day] = []
    statuses: list[str] = []
    for outcome in outcomes:
        gap = gap_of(outcome, as_of)
        statuses.append("" if gap is None else gap.status)
        if gap is not None and gap.status == "prospective" and outcome.opens_on is not None:
            opens.append(outcome.opens_on)
        if outcome.changes_on is not None:
            opens.append(outcome.changes_on)
    credit = credit_of(outcomes)
    return SaidMeasure(
        edition=edition,
        window=window.id,
        measure=measure,
        start=window.period.start,
        end=window.period.end,
        credit=credit,
        practice=credit.practice(window.period, as_of, practice_on),
        mark=blake2b(_encoder.encode((outcomes, statuses)), digest_size=8).digest(),
        counted=counted_of(outcomes),
        opens_on=min(opens, default=None),
    )


def _taken_back(one: SaidMeasure, payer: str, profile: Profile) -> Iterator[tuple[Asked, Cell, Sums]]:
    return ((asked, cell, -sums) for asked, cell, sums in _cells(one, payer, profile))


def _cells(one: SaidMeasure, payer: str, profile: Profile) -> Iterator[tuple[Asked, Cell, Sums]]:
    if not one.practice:
        return
    asked = Asked(one.edition, one.window, LIVE)
    for counted in one.counted:
        sums = Sums(counted.denominator, counted.numerator, counted.more)
        for stratum in ("", *strata_of(profile, counted.band)):
            yield asked, Cell(one.measure, counted.rate, payer, one.practice, stratum), sums


def _take_span(standing: Standing, name: str, row: History) -> bool:
    span = span_of(name, row)
    known = next((one for one in standing.spans if one.span_id == span.span_id), None)
    if known == span:
        return False
    standing.spans = sorted([*(one for one in standing.spans if one is not known), span], key=lambda one: one.span_id)
    return True


def _packed(one: Kept) -> bytes:
    return _encoder.encode(msgspec.structs.replace(one, row=""))


def _unpacked(row: str, stored: bytes) -> Kept:
    one = _kept.decode(stored)
    # It was made just now and is nobody else's yet.
    msgspec.structs.force_setattr(one, "row", row)
    return one


def _put(standing: Standing, name: str, packed: bytes | None) -> None:
    if packed is None:
        del standing.kept[name]
    elif name in standing.kept:
        standing.kept[name] = packed
    else:
        standing.kept = dict(sorted([*standing.kept.items(), (name, packed)]))


def _last_start(standing: Standing, before: Kept | None, after: Kept | None) -> Day:
    """The last day on which anything kept begins, now that `after` stands for `before`."""
    if before is not None and last_start(before) == standing.last_start:
        return max(map(last_start, standing.facts()), default=0)
    return standing.last_start if after is None else max(standing.last_start, last_start(after))
