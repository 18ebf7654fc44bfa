"""A second reading of CIS and IMA, from measures.md 8 and 9 and the CQL of CMS117, with nothing of the engine's rule.

A child is a birth date, things given are (what, kind, date), conditions are (what, date, category). Doses are searched for by trying
every choice of days, as the CQL does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

Given = tuple[str, str, dt.date]
Condition = tuple[str, dt.date, str]
DAY = dt.timedelta(days=1)


def turns(birth: dt.date, years: int) -> dt.date:
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return dt.date(birth.year + years, 2, 28)


def days_of(
    given: Iterable[Given], what: str, first: dt.date, last: dt.date, kinds: Sequence[str] = ("shot", "procedure")
) -> set[dt.date]:
    return {date for name, kind, date in given if name == what and kind in kinds and first <= date <= last}


def has(conditions: Iterable[Condition], what: str, birth: dt.date, last: dt.date, category: str = "") -> bool:
    return any(name == what and birth <= date <= last and category in ("", sort) for name, date, sort in conditions)


def on_different_days(days: set[dt.date], doses: int) -> bool:
    return any(all(a < b for a, b in pairwise(some)) for some in combinations(sorted(days), doses))


def childhood(edition: str, birth: dt.date, given: Sequence[Given], conditions: Sequence[Condition]) -> dict[str, bool]:
    """Each antigen, and the combinations."""
    is_program = edition.startswith("capc")
    one, two = turns(birth, 1), turns(birth, 2)
    six_weeks, half_year = birth + 42 * DAY, birth + 180 * DAY

    def ill(*names: str) -> bool:
        return any(has(conditions, name, birth, two) for name in names)

    found: dict[str, bool] = {}
    found["dtap"] = on_different_days(days_of(given, "dtap", six_weeks, two), 4) or ill(
        "anaphylaxis_dtap", "encephalitis_dtap"
    )
    found["ipv"] = on_different_days(days_of(given, "ipv", six_weeks, two), 3) or ill("anaphylaxis_ipv")
    measles_sort = "encounter-diagnosis" if edition == "cms-2026" else ""
    had_all_three = has(conditions, "measles", birth, two, measles_sort) and ill("mumps") and ill("rubella")
    found["mmr"] = bool(days_of(given, "mmr", one, two)) or ill("anaphylaxis_mmr") or had_all_three
    if is_program:
        hib = len(days_of(given, "hib", six_weeks, two)) >= 3
    else:
        three, four = days_of(given, "hib_3dose", six_weeks, two), days_of(given, "hib_4dose", six_weeks, two)
        hib = len(three | four) >= (4 if four else 3)
    found["hib"] = hib or ill("anaphylaxis_hib")
    hepb = days_of(given, "hepb", birth, two)
    newborn = days_of(given, "hepb_newborn", birth, birth + 7 * DAY, ("procedure",))
    if is_program:
        with_newborn = any(
            on_different_days({*pair, first}, 3) for first in newborn for pair in combinations(sorted(hepb), 2)
        )
    else:
        with_newborn = any(first < min(pair) for first in newborn for pair in combinations(sorted(hepb), 2))
    found["hepb"] = on_different_days(hepb, 3) or with_newborn or ill("anaphylaxis_hepb", "hepatitis_b")
    found["vzv"] = bool(days_of(given, "vzv", one, two)) or ill("anaphylaxis_vzv", "varicella_zoster")
    found["pcv"] = on_different_days(days_of(given, "pcv", six_weeks, two), 4) or ill("anaphylaxis_pcv")
    found["hepa"] = bool(days_of(given, "hepa", one, two)) or ill("anaphylaxis_hepa", "hepatitis_a")
    rv2, rv3 = days_of(given, "rotavirus_2dose", six_weeks, two), days_of(given, "rotavirus_3dose", six_weeks, two)
    if is_program:
        mixed = any(on_different_days({a, b, c}, 3) for a in rv2 for b, c in combinations(sorted(rv3), 2))
        mixed = mixed or any(on_different_days({a, b, c}, 3) for c in rv3 for a, b in combinations(sorted(rv2), 2))
        rotavirus = len(rv2) >= 2 or len(rv3) >= 3 or mixed
    else:
        rotavirus = len(rv2 | rv3) >= (3 if rv3 else 2)
    found["rotavirus"] = rotavirus or ill("anaphylaxis_rotavirus")
    first_shot = six_weeks if edition == "cms-2025" else half_year
    flu = days_of(given, "influenza", first_shot, two, ("shot",)) | days_of(
        given, "influenza", half_year, two, ("procedure",)
    )
    live = days_of(given, "laiv", two, two)
    with_live = any(a != b for a in flu for b in live) if is_program else bool(live) and bool(flu)
    found["influenza"] = len(flu) >= 2 or with_live or ill("anaphylaxis_influenza")
    found["combo10"] = all(found.values())
    if is_program:
        found["combo7"] = all(met for name, met in found.items() if name not in ("influenza", "combo10"))
        found["combo3"] = all(found[name] for name in ("dtap", "ipv", "mmr", "hib", "hepb", "vzv", "pcv"))
    return found


def adolescent(
    birth: dt.date, given: Sequence[Given], conditions: Sequence[Condition], mening_from: int
) -> dict[str, bool]:
    """Meningococcus, Tdap, HPV, and the three."""
    last = turns(birth, 13)

    def ill(*names: str) -> bool:
        return any(has(conditions, name, birth, last) for name in names)

    hpv = days_of(given, "hpv", turns(birth, 9), last)
    found = {
        "meningococcal": bool(days_of(given, "meningococcal", turns(birth, mening_from), last))
        or ill("anaphylaxis_meningococcal"),
        "tdap": bool(days_of(given, "tdap", turns(birth, 10), last)) or ill("anaphylaxis_tdap", "encephalitis_tdap"),
        "hpv": len(hpv) >= 3
        or any((b - a).days >= 146 for a, b in combinations(sorted(hpv), 2))
        or ill("anaphylaxis_hpv"),
    }
    found["combo2"] = all(found.values())
    return found
