"""What measures share, read a second time: from measures.md 1 and the CQL libraries, with dates and without any shared code.

An edition is its name. A fact becomes a `Thing`, whatever it came in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from state.measures.facts import Kept, KeptClaim, KeptDispensing, KeptRecord, KeptResult, Profile

DAY = dt.timedelta(days=1)
FAR = dt.date(2199, 12, 31)
FINISHED = {
    "capc-2024": {"", "finished"},
    "capc-2025": {"", "finished"},
    "cms-2025": {"finished", "arrived", "triaged", "in-progress", "onleave"},
    "cms-2026": {"finished"},
}
ORDERS = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}
NOT_REFUTED = {"", "confirmed", "unconfirmed", "provisional", "differential"}


@dataclass
class Thing:
    what: str
    roles: set[str]
    start: dt.date
    end: dt.date | None
    name: str
    status: str = ""
    categories: list[str] = field(default_factory=list)
    verification: str = ""
    intent: str = ""
    not_done: bool = False
    has_value: bool = False
    says: str = ""
    site: str = ""
    at: str = ""
    disposition: str = ""
    authored: dt.date | None = None
    modifiers: tuple[str, ...] = ()
    only_laboratory: bool = False
    state: str = ""

    @property
    def last(self) -> dt.date:
        return self.start if self.end is None else self.end


def date(day: int) -> dt.date | None:
    return None if day > dt.date.max.toordinal() else dt.date.fromordinal(day)


def program(edition: str) -> bool:
    return edition.startswith("capc")


def things(kept: Iterable[Kept]) -> list[Thing]:
    found: dict[tuple[str, ...], Thing] = {}
    for one in kept:
        for number, thing in enumerate(_things(one)):
            found[one.row, str(number)] = thing
    return list(found.values())


def _things(one: Kept) -> list[Thing]:
    def of(what: str, code: str, start: int, end: int, **more: object) -> Thing:
        first = date(start)
        assert first is not None
        return Thing(what, set(code.split("+")), first, date(end), one.row, **more)  # type: ignore[arg-type]

    if isinstance(one, KeptClaim):
        lines = [of("line", x.hcpcs, x.start, x.end, modifiers=x.modifiers) for x in one.lines]
        laboratory = bool(one.places) and set(one.places) == {"laboratory_place"}
        lines += [of("diagnosis", x, one.start, one.end, only_laboratory=laboratory) for x in one.diagnoses]
        return lines + ([of("line", one.disposition, one.start, one.end)] if one.disposition else [])
    if isinstance(one, KeptDispensing):
        return [] if one.denied else [of("fill", one.ndc, one.day, one.day + one.days_supply - 1)]
    if isinstance(one, KeptResult):
        return [of("result", one.code, one.day, one.day, state=one.state, has_value=True)]
    assert isinstance(one, KeptRecord)
    return [
        of(
            one.kind,
            one.code,
            one.start,
            one.end,
            status=one.status,
            categories=one.category.split(";"),
            verification=one.verification,
            intent=one.intent,
            not_done=one.not_done,
            has_value=one.value is not None or one.value_code != "",
            says=one.value_code,
            site=one.body_site,
            at=one.end_at or one.start_at,
            disposition=one.disposition,
            authored=None if one.authored is None else date(one.authored),
        )
    ]


def born_plus(birth: dt.date, years: int) -> dt.date:
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return dt.date(birth.year + years, 2, 28)


def age(profile: Profile, on: dt.date) -> int:
    birth = date(profile.birth or 0)
    assert birth is not None
    return max(years for years in range(-1, 130) if years == -1 or born_plus(birth, years) <= on)


def months_earlier(day: dt.date, months: int) -> dt.date:
    year, month = day.year, day.month - months
    while month < 1:
        year, month = year - 1, month + 12
    while True:
        try:
            return dt.date(year, month, day.day)
        except ValueError:
            day -= DAY


def is_enrolled(profile: Profile, start: dt.date, end: dt.date) -> bool:
    """Every day looked at; one gap of at most 45 days in each year counted back from the end, none in a rest of under six months."""
    covered = [(date(span.start), date(span.end) or FAR) for span in profile.spans if span.medical]

    def is_covered(day: dt.date) -> bool:
        return any(first is not None and first <= day <= last for first, last in covered)

    if not is_covered(end):
        return False
    last = end
    while last >= start:
        first = max(start, months_earlier(last + DAY, 12))
        gaps, run = [], 0
        day = first
        while day <= last:
            if is_covered(day):
                gaps += [run] if run else []
                run = 0
            else:
                run += 1
            day += DAY
        gaps += [run] if run else []
        if gaps and first > months_earlier(last + DAY, 6):
            return False
        if len(gaps) > 1 or any(gap > 45 for gap in gaps):
            return False
        last = first - DAY
    return True


def service(thing: Thing) -> bool:
    return thing.what == "line" and "not_done_modifier" not in thing.modifiers


def took_place(thing: Thing, edition: str) -> bool:
    if thing.what == "encounter":
        return not thing.not_done and thing.status in FINISHED[edition]
    return service(thing)


def performed(thing: Thing, edition: str) -> bool:
    if thing.what == "result":
        return thing.state != "rejected"
    if thing.what == "procedure":
        done = {"completed", ""} if program(edition) else {"completed"}
        return not thing.not_done and thing.intent == "" and thing.status in done
    return service(thing)


def observed(thing: Thing, edition: str, category: str, *, preliminary: bool = False) -> bool:
    if thing.what == "result":
        return thing.state != "rejected"
    if thing.what == "observation":
        good = {"final", "amended", "corrected"}
        good |= {"preliminary"} if preliminary else set()
        good |= {""} if program(edition) else set()
        if thing.not_done or thing.status not in good:
            return False
        return program(edition) or category == "" or category in thing.categories
    return service(thing) or (program(edition) and performed(thing, edition))


def assessed(thing: Thing, edition: str) -> bool:
    return observed(thing, edition, "survey")


def diagnosed(thing: Thing, edition: str) -> bool:
    if thing.what == "diagnosis":
        return not (program(edition) and thing.only_laboratory)
    if thing.what == "condition":
        return edition == "cms-2025" or thing.verification in NOT_REFUTED
    return False


def ordered(thing: Thing, edition: str, what: str, statuses: set[str]) -> bool:
    intents = {"order"} if edition == "cms-2025" else ORDERS
    good = statuses | ({""} if program(edition) else set())
    return thing.what == what and thing.intent in intents and thing.status in good and not thing.not_done


def there(thing: Thing, start: dt.date, end: dt.date) -> bool:
    """A condition on some day of the window, for sure; anything else by its days."""
    if thing.what == "condition" and thing.end is None:
        if thing.status in ("active", "recurrence", "relapse"):
            return thing.start <= end
        return start <= thing.start <= end
    return thing.start <= end and thing.last >= start


def is_out(
    found: list[Thing], profile: Profile, start: dt.date, end: dt.date, edition: str, *, ill: bool = True
) -> bool:
    """Hospice and death; palliative care, frailty with advanced illness and nursing homes besides, where `ill`."""

    def has(role: str) -> list[Thing]:
        return [x for x in found if role in x.roles]

    if program(edition):
        death = None if profile.death is None else date(profile.death)
        if death is not None and start <= death <= end:
            return True
        if any(service(x) and start <= x.last <= end for x in has("discharged_dead")):
            return True
    hospice = (
        any(
            took_place(x, edition) and x.disposition == "428361000124107" and start <= x.last <= end
            for x in has("inpatient_encounter")
        )
        or any(took_place(x, edition) and there(x, start, end) for x in has("hospice_encounter"))
        or any(assessed(x, edition) and x.says == "yes" and there(x, start, end) for x in has("hospice_assessment"))
        or any(
            ordered(x, edition, "procedure", {"active", "completed"}) and start <= (x.authored or x.start) <= end
            for x in has("hospice_intervention")
        )
        or any(performed(x, edition) and there(x, start, end) for x in has("hospice_intervention"))
        or any(diagnosed(x, edition) and there(x, start, end) for x in has("hospice_diagnosis"))
    )
    if hospice:
        return True
    if not ill:
        return False
    if (
        any(assessed(x, edition) and there(x, start, end) for x in has("palliative_assessment"))
        or any(diagnosed(x, edition) and there(x, start, end) for x in has("palliative_diagnosis"))
        or any(took_place(x, edition) and there(x, start, end) for x in has("palliative_encounter"))
        or any(performed(x, edition) and there(x, start, end) for x in has("palliative_intervention"))
    ):
        return True
    if age(profile, end) < 66:
        return False
    frail: set[dt.date] = set()
    for x in has("frailty_device"):
        if ordered(x, edition, "device", {"active", "completed"}) and start <= (x.authored or x.start) <= end:
            frail.add(x.authored or x.start)
        if service(x) and start <= x.start <= end:
            frail.add(x.start)
    for x in has("equipment_used"):
        if assessed(x, edition) and x.says == "frailty_device" and start <= x.last <= end:
            frail.add(x.last)
    for x in has("frailty_diagnosis"):
        if diagnosed(x, edition) and there(x, start, end):
            frail.add(max(x.start, start))
    for x in has("frailty_encounter"):
        if took_place(x, edition) and there(x, start, end):
            frail.add(max(x.start, start))
    for x in has("frailty_symptom"):
        if observed(x, edition, "", preliminary=True) and there(x, start, end):
            frail.add(max(x.start, start))
    needed = 2 if program(edition) else 1
    before = months_earlier(start, 12)
    sick = {x.start for x in has("advanced_illness") if diagnosed(x, edition) and before <= x.start <= end}
    active = {"active", "completed"} if program(edition) else {"active"}
    drugged = any(
        (x.what == "fill" and before <= x.start <= end)
        or (ordered(x, edition, "medication", active) and x.end is not None and x.start <= end and x.end >= before)
        for x in has("dementia_medication")
    )
    if len(frail) >= needed and (drugged or len(sick) >= needed):
        return True
    if program(edition):
        return False
    homes = sorted(
        (x for x in has("housing_status") if assessed(x, edition) and x.last <= end),
        key=lambda x: (x.last, x.at, x.start, x.name),
    )
    return bool(homes) and homes[-1].says == "nursing_home"


def is_eligible(found: list[Thing], profile: Profile, start: dt.date, end: dt.date, edition: str, months: int) -> bool:
    if program(edition):
        return is_enrolled(profile, months_earlier(start, months), end)
    return any(
        "qualifying_visit" in x.roles and took_place(x, edition) and start <= x.start and x.last <= end for x in found
    )
