"""CAHPS: what patients say of a practice, as a survey vendor reports it. For information, never computed and never paid on.

Results come in as `survey_result` records, one for each composite: `value` is the percent of answers in the most favourable class, `n` how
many answered. The later of one practice, survey, version, period and composite stands; what is no percentage, or of nobody, waits in
quarantine, and so does what comes after 4,000 results of a period (`too_many_results`).

They stand in `rates.csv` under the program's editions, for the periods that they name: a result says the id of a program period, or the
months it asked of as START..END. A close freezes those of its period as they stood when it was asked for, and what comes later changes
nothing in it. A practice that nothing else is known of is no mistake: a vendor may report before the roster does.

Source: measures.md 12, program.md (information only).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from schemas.records import Period as ProgramPeriod
from schemas.records import Source, SurveyResult
from state.engine import Refusal
from state.measures.editions import Edition
from state.measures.measuring import Window, of_program
from state.measures.outcome import SMALL
from state.measures.results import period_named

ID = "CAHPS"
Identity = tuple[str, str, str, str, str]
LONGEST, MOST = 80, 4_000
"""Bytes of a text of a result, and results under one name of a period: what a close freezes of them fits into one record."""
TOO_MANY = Refusal(
    "too_many_results",
    "period",
    f"{MOST:,} results say this period already: send composites of practices, not answers of patients.",
)


def identity(result: SurveyResult) -> Identity:
    """What a result is of: of two that say the same, the later stands."""
    return result.practice_id, result.survey, result.survey_version, result.period, result.composite


def refusal(result: SurveyResult) -> Refusal | None:
    """Why a result cannot be taken, with its field and what to do; None for one that can."""
    for field in ("practice_id", "survey", "survey_version", "period", "composite"):
        if not getattr(result, field).strip():
            return Refusal("missing_value", field, f"{field} is empty: say which one the result is of.")
        if len(getattr(result, field).encode()) > LONGEST:
            return Refusal("too_large", field, f"{field} has over {LONGEST} bytes: name it shorter.")
    if not result.value.is_finite() or not 0 <= result.value <= 100:
        return Refusal(
            "impossible_value",
            "value",
            "value is no percentage from 0 to 100: send the share of the most favourable answers.",
        )
    if result.n < 1:
        return Refusal("impossible_value", "n", "n says that nobody answered: leave the result out.")
    return None


def of_window(
    results: Iterable[SurveyResult], window: Window, periods: Iterable[ProgramPeriod] = ()
) -> tuple[SurveyResult, ...]:
    """The results of a period, by identity: those that say its id, its months, or one of some `periods` that measures these months."""
    names = {window.id, period_named(window.period)}
    names.update(one.period for one in periods if of_program(one) == window.period)
    return tuple(sorted((one for one in results if one.period in names), key=identity))


def frozen(result: SurveyResult) -> SurveyResult:
    """A result as a close freezes it: what it says, without who sent it when, which the log has."""
    return msgspec.structs.replace(result, **dict.fromkeys(Source.__struct_fields__))


def rate_rows(
    editions: Iterable[Edition], period: str, reading: str, results: Iterable[SurveyResult]
) -> Iterator[tuple[object, ...]]:
    """The lines of rates.csv (state.measures.results.RATES_COLUMNS) for results of a period.

    They are of no payer, since a survey asks the patients of all. The program's editions have them, the eCQMs do not. The denominator is
    who answered; how many of them were most favourable is not reported, and so there is no numerator. A result that names the period
    otherwise than it was asked for says so in its note.
    """
    given = tuple(results)
    for edition in editions:
        if edition.form == "ecqm":
            continue
        for one in given:
            yield (
                edition.name,
                period,
                reading,
                ID,
                one.composite,
                "",
                one.practice_id,
                "",
                one.n,
                None,
                one.value,
                "; ".join(_notes(one, period)),
            )


def _notes(one: SurveyResult, period: str) -> Iterator[str]:
    yield "information only, as imported"
    yield f"{one.survey} {one.survey_version}"
    if one.period != period:
        yield f"reported for {one.period}"
    if one.mode_adjusted is not None:
        yield "adjusted for mode" if one.mode_adjusted else "not adjusted for mode"
    if one.n < SMALL:
        yield f"fewer than {SMALL}"
