"""Makes the roster of the Tuva sample from a profile of its claims: `python -m ops.sample.profile_tuva SERVICES`.

The Tuva sample has neither taxonomies nor rosters, and no tax numbers, so its claims alone attribute nobody. The
roster made here is for the sample only and says nothing about the real holders of any number in it:

- A rendering NPI is called a PCP if at least 60% of its professional lines are visit codes of primary care in an
  allowed place of service (the share of COND_NPPA, attribution.md 2.3), by SERVICES, the list of services that count
  (primary_care_services.csv: code_system, code_or_range, counts_as_visit, effective_start, effective_end).
  What counts only under a condition is left out.
- There is no TIN to make practices of, so a practice stands for a billing NPI, `NPI-<number>`: of all the lines that
  a PCP rendered the most frequent one. Professional visits name none, so that is a facility where the PCP also
  appears on institutional claims, else the PCP's own number. The TIN is made from that number.
- The taxonomy is General Practice, 208D00000X, for all: the least that the profile says.
- Rows hold from the first day of the year of the first service, with no end.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from streams.adapters import tuva
from streams.adapters.identifiers import tin_of
from streams.adapters.sources import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = Path(__file__).parent / "tuva"
ROSTER = "roster.ndjson"
LEAST_SHARE = 0.6
TAXONOMY = "208D00000X"


class Counting(NamedTuple):
    """Codes (or places) from first to last that count on service dates from since to until; empty is no limit."""

    first: str
    last: str
    since: str
    until: str

    def holds(self, code: str, day: str) -> bool:
        """Whether a code counts on a day (YYYY-MM-DD)."""
        same_kind = len(code) == len(self.first) and self.first <= code <= self.last
        return same_kind and self.since <= day and (not self.until or day <= self.until)


def counting(services: Path, systems: frozenset[str]) -> list[Counting]:
    """The codes of these systems that count without a condition."""
    with services.open(encoding="utf-8", newline="") as file:
        return [
            Counting(first, last or first, row["effective_start"], row["effective_end"])
            for row in csv.DictReader(file)
            if row["code_system"] in systems and row["counts_as_visit"] == "yes"
            for first, _, last in (codes.strip().partition("-") for codes in row["code_or_range"].split(";"))
        ]


def primary_care_share(claims: Iterable[Event], services: Path) -> dict[str, float]:
    """Of each rendering NPI the share of its professional lines that are primary care visits."""
    codes, places = counting(services, frozenset({"CPT", "HCPCS"})), counting(services, frozenset({"POS"}))
    lines: Counter[str] = Counter()
    visits: Counter[str] = Counter()
    for claim in claims:
        if claim["claim_type"] != "professional":
            continue
        for line in cast("list[dict[str, str]]", claim["lines"]):
            npi, day = line["rendering_npi"], line["claim_line_start_date"]
            lines[npi] += 1
            code, place = line.get("hcpcs_code", ""), line.get("place_of_service_code", "")
            visits[npi] += any(row.holds(code, day) for row in codes) and any(row.holds(place, day) for row in places)
    return {npi: visits[npi] / count for npi, count in lines.items()}


def roster(folder: Path, services: Path) -> Iterator[Event]:
    """The payer, practices and roster rows of the Tuva files of a folder, ordered by practice."""
    claims = list(tuva.claims(folder))
    since = f"{min(_days(claims))[:4]}-01-01"
    origin = {"source_system": "profile", "accepted_at": f"{since}T00:00:00Z"}
    billing: dict[str, Counter[str]] = defaultdict(Counter)
    for claim in claims:
        for line in cast("list[dict[str, str]]", claim["lines"]):
            billing[line["rendering_npi"]][str(claim.get("billing_npi") or line["rendering_npi"])] += 1
    for payer in sorted({str(claim["payer"]) for claim in claims}):
        yield {
            "event_type": "payer",
            "payer": payer,
            "name": payer.capitalize(),
            "products": ["FFS"],
            "attribution_mode": "platform",
            "effective_from": since,
            **origin,
        }
    shares = primary_care_share(claims, services)
    members: dict[str, list[str]] = defaultdict(list)
    for npi in sorted(npi for npi, share in shares.items() if share >= LEAST_SHARE):
        members[min(billing[npi], key=lambda number: (-billing[npi][number], number))].append(npi)
    for number, npis in sorted(members.items()):
        yield {
            "event_type": "practice",
            "practice_id": f"NPI-{number}",
            "name": f"Practice of NPI {number}",
            "participating": True,
            "effective_from": since,
            "tins": [tin_of(number)],
            **origin,
        }
        for npi in npis:
            yield {
                "event_type": "provider",
                "npi": npi,
                "practice_id": f"NPI-{number}",
                "tin": tin_of(number),
                "taxonomy_code": TAXONOMY,
                "is_pcp": True,
                "effective_from": since,
                "roster_version": 1,
                **origin,
            }


def _days(claims: Iterable[Event]) -> Iterator[str]:
    for claim in claims:
        yield from (line["claim_line_start_date"] for line in cast("list[dict[str, str]]", claim["lines"]))


def main(services: Path, folder: Path = FOLDER) -> None:
    """Write the roster beside the Tuva files."""
    with (folder / ROSTER).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in roster(folder, services))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the list of services that count: python -m ops.sample.profile_tuva primary_care_services.csv")
    main(Path(sys.argv[1]))
