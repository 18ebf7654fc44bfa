"""A second reading of AMR from measures.md 7, with nothing of the engine's rule.

Told in words: ("fill", day, drug, quantity, days' supply), ("ed_visit", day, "principal"), ("diagnosis", day, role), ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

Told = Sequence[str]
Drug = Sequence[str]


def populations(drugs: Mapping[str, Drug], told: Iterable[Told], year: int) -> tuple[int, int, int, int]:
    """Initial population, denominator, exclusion and numerator of an adult who is always enrolled."""
    said = list(told)
    if not (is_persistent(drugs, said, str(year)) and is_persistent(drugs, said, str(year - 1))):
        return 0, 0, 0, 0
    fills = [one for one in said if one[0] == "fill" and one[1][:4] == str(year) and drugs[one[2]][2] != "nasal"]
    has_other_disease = any(
        one[0] == "diagnosis" and one[2] == "other_respiratory_disease" and one[1] <= f"{year}-12-31" for one in said
    )
    if has_other_disease or not fills:
        return 1, 1, 1, 0
    controllers = units(drugs, [one for one in fills if "asthma_controller" in drugs[one[2]][0]])
    relievers = units(drugs, [one for one in fills if "asthma_reliever" in drugs[one[2]][0]])
    return 1, 1, 0, int(controllers * 2 >= controllers + relievers)


def is_persistent(drugs: Mapping[str, Drug], said: Sequence[Told], year: str) -> bool:
    """One criterion of the five."""
    ours = [one for one in said if one[1][:4] == year]
    if any(one[0] in ("ed_visit", "acute_inpatient") and one[2] == "principal" for one in ours):
        return True
    fills = [one for one in ours if one[0] == "fill" and drugs[one[2]][2] != "nasal"]
    count = events(drugs, fills)
    visits = {one[1] for one in ours if one[0] in ("outpatient", "telephone_visit")}
    if len(visits) >= 4 and count >= 2:
        return True
    if count < 4:
        return False
    doubtful = all("antibody" in drugs[one[2]][0] or "leukotriene" in drugs[one[2]][0] for one in fills)
    has_diagnosis = any(one[0] != "fill" and one[-1] != "other_respiratory_disease" for one in ours)
    return has_diagnosis or not doubtful


def events(drugs: Mapping[str, Drug], fills: Sequence[Told]) -> int:
    """Dispensing events, drug by drug and day by day."""
    count = 0
    for drug, day in {(one[2], one[1]) for one in fills}:
        same = [one for one in fills if one[2] == drug and one[1] == day]
        if drugs[drug][2] == "inhalation":
            count += 1
        elif drugs[drug][2] == "oral":
            days = sum(int(one[4]) for one in same)
            count += 1 if days <= 30 else days // 30
        else:
            count += sum(packages(drugs[drug], one) for one in same)
    return count


def units(drugs: Mapping[str, Drug], fills: Sequence[Told]) -> int:
    """Canisters, injections and thirty days of tablets."""
    count = 0
    for drug, day in {(one[2], one[1]) for one in fills}:
        same = [one for one in fills if one[2] == drug and one[1] == day]
        if drugs[drug][2] == "oral":
            days = sum(int(one[4]) for one in same)
            count += 1 if days <= 30 else days // 30
        else:
            count += sum(packages(drugs[drug], one) for one in same)
    return count


def packages(drug: Drug, fill: Told) -> int:
    """Whole packages, to the nearest; a solution for a nebuliser is one."""
    if not drug[3] or drug[4] == "ml":
        return 1
    whole = (Decimal(fill[3]) / Decimal(drug[3])).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return max(1, int(whole))
