"""CAHPS: what patients say of a practice, as a survey vendor reports it. For information, never computed and never paid on.

What a result must be, and its line beside the rates. No feed takes results in yet.

Source: measures.md 12, program.md (information only).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.records import SurveyResult
from state.measures.outcome import SMALL

ID = "CAHPS"
READING = "imported"


def problem(result: SurveyResult) -> str | None:
    """Why a result cannot be taken, with its field and what to do; None for one that can."""
    for field in ("practice_id", "survey", "survey_version", "period", "composite"):
        if not getattr(result, field).strip():
            return f"{field}: is empty: say which one the result is of."
    if not result.value.is_finite() or not 0 <= result.value <= 100:
        return "value: is no percentage from 0 to 100: send the share of the most favourable answers."
    if result.n < 1:
        return "n: nobody answered: leave the result out."
    return None


def standing(results: Iterable[SurveyResult]) -> tuple[SurveyResult, ...]:
    """The results that stand, of some in the order in which they came: of one identity the later."""
    found = {(r.practice_id, r.survey, r.survey_version, r.period, r.composite): r for r in results}
    return tuple(found[key] for key in sorted(found))


def rate_rows(results: Iterable[SurveyResult]) -> Iterator[tuple[object, ...]]:
    """The lines of rates.csv (state.measures.results.RATES_COLUMNS): of no edition and no payer, since a survey asks patients of all.

    The denominator is who answered; how many of them were most favourable is not reported, and so there is no numerator.
    """
    for one in standing(results):
        notes = ["information only", f"{one.survey} {one.survey_version}"]
        if one.mode_adjusted is not None:
            notes.append("adjusted for mode" if one.mode_adjusted else "not adjusted for mode")
        if one.n < SMALL:
            notes.append(f"fewer than {SMALL}")
        yield (
            "",
            one.period,
            READING,
            ID,
            one.composite,
            "",
            one.practice_id,
            "",
            one.n,
            None,
            one.value,
            "; ".join(notes),
        )
