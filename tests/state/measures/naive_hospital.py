"""A second reading of EDU and AHU: the whole history, day by day, written from measures.md 10 without the rules it checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from state.calendar import to_date
from state.measures.facts import KeptClaim
from state.measures.period import Period
from tests.measure_builders import day
from tests.state.measures.hospital_claims import claim, line

KINDS = ("ed", "doctor", "stitches", "therapy", "room", "ward", "observation", "ed+observation", "nursing", "office")
STAYS = ("room", "ward", "observation", "ed+observation", "room", "nursing")
_PRINCIPALS = ("R079", "R079", "R079", "J189", "F329", "O80", "Z5111", "E119")


@dataclass(frozen=True)
class Case:
    """Claims, and the plain words that they were made of."""

    claims: tuple[KeptClaim, ...]
    words: tuple[dict[str, Any], ...]


@st.composite
def members(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> Case:
    """Claims whose days meet, follow one another, or lie two days apart, at both ends of 2025."""
    words: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 7))):
        anchor = draw(st.sampled_from((day("2025-01-01"), day("2025-06-15"), day("2025-12-31"))))
        start = anchor + draw(st.integers(-3, 4))
        words.append(
            {
                "name": f"N{number}",
                "kind": draw(st.sampled_from(kinds)),
                "start": start,
                "end": start + draw(st.integers(0, 3)),
                "principal": draw(st.sampled_from(_PRINCIPALS)),
                "place": draw(st.sampled_from(("23", "11"))),
                "denied": draw(st.sampled_from((False, False, False, True))),
                "disposition": draw(st.sampled_from(("01", "01", "20", "30"))),
            }
        )
    return Case(tuple(_claim(word) for word in words), tuple(words))


def _claim(word: dict[str, Any]) -> KeptClaim:
    start, end = str(to_date(word["start"])), str(to_date(word["end"]))
    lines = {
        "ed": [line(start, revenue="0450")],
        "doctor": [line(start, hcpcs="99283", place="23")],
        "stitches": [line(start, hcpcs="12001", place=word["place"])],
        "therapy": [line(start, hcpcs="90834", place=word["place"])],
        "room": [line(start, revenue="0110")],
        "ward": [line(start, revenue="0120"), line(start, revenue="0450")],
        "observation": [line(start, revenue="0762")],
        "ed+observation": [line(start, revenue="0762"), line(start, revenue="0456")],
        "nursing": [line(start, revenue="0120")],
        "office": [line(start, hcpcs="99213", place="11")],
    }[word["kind"]]
    return claim(
        start,
        end,
        *lines,
        name=word["name"],
        principal=word["principal"],
        denied=word["denied"],
        bill_type="0211" if word["kind"] == "nursing" else "0111",
        disposition=word["disposition"] if word["kind"] in {"room", "ward", "observation", "ed+observation"} else "",
    )


def ed_visits(case: Case, period: Period) -> int:
    """How many days of the period have a visit that counts."""
    good = [word for word in case.words if not word["denied"]]
    total = 0
    for today in range(period.start, period.end + 1):
        here = [
            word
            for word in good
            if word["start"] == today
            and (
                word["kind"] in {"ed", "doctor", "ward", "ed+observation"}
                or (word["kind"] == "stitches" and word["place"] == "23")
            )
        ]
        if not here:
            continue
        stays = [word for word in good if word["kind"] in {"room", "ward", "observation", "ed+observation", "nursing"}]
        if any(word["start"] - today in {0, 1} for word in stays):
            continue
        if any(word["principal"].startswith("F") for word in here):
            continue
        if any(word["kind"] == "therapy" and word["place"] == "23" and word["start"] == today for word in good):
            continue
        total += 1
    return total


def discharges(case: Case, period: Period) -> int:
    """How many discharges of the period count: days in hospital are painted on a calendar, and each stretch is looked at."""
    good = [
        word
        for word in case.words
        if not word["denied"] and word["kind"] in {"room", "ward", "observation", "ed+observation"}
    ]
    painted = {today for word in good for today in range(word["start"], word["end"] + 1)}
    total = 0
    for last in sorted(painted):
        if last + 1 in painted:
            continue
        first = last
        while first - 1 in painted:
            first -= 1
        some = [word for word in good if first <= word["start"] <= last]
        if not period.start <= last <= period.end:
            continue
        if all(word["disposition"] == "30" for word in some if word["end"] == last):
            continue
        if any(word["disposition"] == "20" for word in some):
            continue
        if any(word["principal"].startswith(("F", "O", "Z51")) for word in some):
            continue
        total += 1
    return total
