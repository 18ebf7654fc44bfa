"""What `panelstream explain --measure` says, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from state.measures.explained import AskedStep, CitedFact, ExplainedCredit, ExplainedMeasure, ExplainedRate
    from streams.explaining import Known

GAPS = {
    "open": "open",
    "closed": "closed",
    "prospective": "not yet: it cannot be closed before {opens_on}",
    "not_applicable": "none: there is a reason why it was not done",
    "excluded": "none: the member is excluded",
}
RESULT_STATES = {
    "submitted": "submitted by the practice: initial and final readings count it once the plan has accepted it",
    "accepted": "submitted by the practice, accepted by the plan",
    "denied": "denied by the payer",
}
WIDTH = 15


def as_json(known: Known, measures: Sequence[ExplainedMeasure]) -> str:
    """Everything, for a program."""
    import msgspec

    about = {
        "payer": known.member.payer,
        "member_id": known.member.member_id,
        "as_of": known.as_of,
        "measures": measures,
        "data_through": known.knowledge.data_through(known.member.payer),
        "source": known.source,
        "failed": known.failed,
    }
    return msgspec.json.format(msgspec.json.encode(about), indent=2).decode()


def told(known: Known, measures: Sequence[ExplainedMeasure]) -> Iterator[str]:
    """Line by line, for a person."""
    import msgspec

    for number, one in enumerate(measures):
        if number:
            yield ""
        yield f"{known.member.payer} {known.member.member_id} on {known.as_of}: {one.measure}, {one.title}"
        days = f"{one.period_start} to {one.period_end}"
        named = days if ".." in one.period else f"{one.period}, {days}"
        yield _line("period", named)
        yield _line("edition", f"{one.edition}: {one.label}")
        if one.not_in_population:
            yield _line("result", "not in the initial population")
            yield from _steps(one.not_in_population)
            for gap in one.uncovered:
                days = f"{gap.days} day{'' if gap.days == 1 else 's'}"
                yield _line("  no cover", f"{gap.benefit}, {gap.start} to {gap.end}: {days}")
        else:
            known_steps: set[AskedStep] = set()
            for rate in one.rates:
                # Rates of one measure share most steps: each is told once. Those of a total have no part, and were told with its rates.
                yield from _rate(rate, [step for step in rate.steps if step not in known_steps])
                known_steps.update(rate.steps, (msgspec.structs.replace(step, part="") for step in rate.steps))
        if one.credit is not None:
            yield _line("credit", _credit(one.credit))
        for fact in one.facts:
            yield _line("fact", _fact(fact))
    through = known.knowledge.data_through(known.member.payer)
    yield _line("claims", f"said to reach {through}" if through else "how far they reach has not been said")
    yield _line("rules", f"engine {known.knowledge.engine_version}; facts of {known.source}")
    if known.failed:
        yield _line("SET ASIDE", f"a fault ({known.failed}) keeps later facts out of this answer: please report it")


def _rate(rate: ExplainedRate, steps: Sequence[AskedStep]) -> Iterator[str]:
    yield _line("rate", f"{rate.rate}{f' ({rate.band})' if rate.band else ''}: {_populations(rate)}")
    yield from _steps(steps)
    if rate.evidence:
        yield _line("  evidence", ", ".join(rate.evidence))
    if rate.gap is not None:
        opens = GAPS[rate.gap.status].format(opens_on=rate.gap.opens_on)
        by = f", by {rate.gap.due_by}" if rate.gap.due_by else ""
        yield _line("  gap", f"{opens}{f'; closed with {rate.gap.closes_with}{by}' if rate.gap.closes_with else ''}")
    if rate.note:
        yield _line("  note", rate.note)


def _populations(rate: ExplainedRate) -> str:
    if not rate.initial_population:
        return "not in the initial population"
    if not rate.denominator:
        return "in the initial population, not in the denominator"
    if rate.denominator_exclusion >= rate.denominator:
        return "excluded from the denominator"
    if rate.denominator_exception:
        return "excepted from the denominator"
    if rate.gap is None and rate.denominator == 1:
        return f"in the denominator{f', {rate.numerator} counted' if rate.numerator else ''}"
    often = f" {rate.denominator} times" if rate.denominator > 1 else ""
    counted = rate.numerator if rate.numerator > 1 or rate.denominator > 1 else ""
    within = "in the numerator" if rate.numerator else "not in the numerator"
    worse = ", which is the gap" if rate.lower_is_better and rate.numerator else ""
    return f"in the denominator{often}, {within}{f' {counted} times' if counted else ''}{worse}"


def _steps(steps: Sequence[AskedStep]) -> Iterator[str]:
    for one in steps:
        cited = f": {', '.join(one.evidence)}" if one.evidence else ""
        yield _line(f"  {one.part or 'step'}", f"{'yes' if one.holds else 'no ':3}  {one.asks}{cited}")


def _credit(credit: ExplainedCredit) -> str:
    practice = credit.practice_id or "nobody"
    if credit.by == "most_months":
        months = ", ".join(f"{one} {number}" for one, number in credit.months.items())
        return f"{practice}: most attributed months up to {credit.date} ({months or 'none'})"
    how = f"attributed by step {credit.step}" if credit.step else "not attributed"
    return f"{practice}: {how} on {credit.date}"


def _fact(fact: CitedFact) -> str:
    value = "" if fact.value is None else f" = {fact.value}{f' {fact.unit}' if fact.unit else ''}"
    state = f"; {RESULT_STATES[fact.state]}" if fact.state else ""
    return f"{fact.evidence}: {fact.date}, {fact.kind}, {', '.join(fact.codes)}{value}{state}"


def _line(about: str, said: str) -> str:
    return f"  {about:{WIDTH}}{said}"
