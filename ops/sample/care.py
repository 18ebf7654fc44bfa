"""What measures look for and the made-up population has too little of: screenings, readings, results, illness, dispensings.

The same for equal seeds. `claims`, `charted` and `dispensed` are what the measured benchmarks have (docs/benchmarks.md); a population
with care has `vaccinated` and `depressed` beside them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

Event = dict[str, object]
SPECIALIST = {"billing_npi": "1999999984", "billing_tin": "990000001"}
LAG = dt.timedelta(days=12)
"""From a service to the acceptance of its claim or record."""
SCREENINGS = (
    # code, of whom, from which age, times a year
    ("77067", "female", 40, 0.45),
    ("45378", "", 45, 0.07),
    ("82274", "", 45, 0.25),
    ("81528", "", 45, 0.04),
)
"""Mammogram, colonoscopy, blood in stool, DNA in stool. Sources: BCS and COL of the starter sets."""
STATED = (
    # code, diagnosis, from which age, times a year
    ("99214", "O0990", 20, 0.01),
    ("90935", "N186", 40, 0.004),
    ("G9473", "C259", 50, 0.004),
    ("G9054", "C7800", 50, 0.004),
    ("E0143", "C7951", 66, 0.15),
    ("E0250", "F0390", 66, 0.15),
    ("44150", "C189", 45, 0.002),
    ("19303", "C50911", 40, 0.002),
    ("3074F", "I10", 18, 0.15),
    ("3078F", "I10", 18, 0.15),
    ("3044F", "E119", 18, 0.08),
    ("3046F", "E119", 18, 0.02),
    ("90715", "Z0000", 10, 0.05),
)
"""Pregnancy, dialysis, hospice, palliative care, frailty with advanced illness, removals, classes of CPT II, a vaccine."""
CHARTED = 0.5
"""The share of members whose charts are sent."""
VACCINES = (
    # CVX, days after birth on which its doses are due, share of the children who get a dose
    ("20", (61, 122, 183, 456), 0.97),
    ("10", (61, 122, 183), 0.97),
    ("03", (380,), 0.97),
    ("48", (61, 122, 183), 0.97),
    ("08", (1, 61, 183), 0.97),
    ("21", (380,), 0.97),
    ("133", (61, 122, 183, 380), 0.97),
    ("83", (400,), 0.97),
    ("119", (61, 122), 0.97),
    ("140", (200, 240), 0.85),
    ("114", (4100,), 0.85),
    ("115", (4100,), 0.85),
    ("165", (4100, 4300), 0.7),
)
"""DTaP, IPV, MMR, HiB, hepatitis B, varicella, PCV, hepatitis A, rotavirus and influenza of small children; meningococcal, Tdap and HPV
vaccines of eleven-year-olds. Codes: CVX; days: about those of the schedule of the CDC."""
LAST_VACCINE_AGE = 14
DEPRESSED = 0.06
"""The share of people of 12 and more who are treated for depression, with a visit every two months and a PHQ-9 at some."""
FILLS = 2.0
"""Dispensings a year, of drugs that the starter sets know by ingredient alone."""


@dataclass
class Care:
    """What is done for one member."""

    about: Event
    birth: dt.date
    gender: str
    rng: Random
    start: dt.date
    end: dt.date
    done: int = 0

    @classmethod
    def of(cls, enrollment: Event, seed: int, start: dt.date, end: dt.date) -> Care:
        """The care of the member of an enrollment, or of an event that says of them what one says."""
        about = {key: enrollment[key] for key in ("payer", "member_id")}
        rng = Random(f"{seed}:care:{about['payer']}:{about['member_id']}")  # noqa: S311 - nothing secret
        birth = dt.date.fromisoformat(str(enrollment["birth_date"]))
        return cls(about, birth, str(enrollment["gender"]), rng, start, end)

    def claims(self) -> Iterator[Event]:
        """Claims of one line with one diagnosis."""
        for code, gender, youngest, a_year in SCREENINGS:
            if gender in {"", self.gender}:
                for day in self._days(youngest, a_year):
                    yield self._claim(day, code, "Z1231" if gender else "Z1211")
        for code, diagnosis, youngest, a_year in STATED:
            for day in self._days(youngest, a_year):
                yield self._claim(day, code, diagnosis)

    def charted(self) -> Iterator[Event]:
        """Blood pressures with their parts, HbA1c, PHQ-9, and now and then a colonoscopy of long ago."""
        if self.rng.random() >= CHARTED:
            return
        for day in self._days(18, 1.5):
            panel = self._record(day, "observation", "LOINC", "85354-9", category="vital-signs")
            yield panel
            for code, mean in (("8480-6", 128), ("8462-4", 79)):
                number = str(int(self.rng.gauss(mean, 12)))
                yield self._record(
                    day, "observation", "LOINC", code, value=number, unit="mm[Hg]", part_of=panel["record_id"]
                )
        for day in self._days(18, 0.6):
            yield self._record(day, "observation", "LOINC", "4548-4", value=f"{self.rng.gauss(7.4, 1.2):.1f}", unit="%")
        for day in self._days(12, 0.4):
            yield self._record(day, "observation", "LOINC", "44261-6", value=str(self.rng.randint(0, 20)))
        for day in self._days(50, 0.03):
            past = day - dt.timedelta(days=self.rng.randint(700, 3600))
            yield self._record(past, "procedure", "CPT", "45378", status="completed")

    def dispensed(self) -> Iterator[Event]:
        """Dispensings."""
        for day in self._days(0, FILLS):
            yield {
                "event_type": "pharmacy_claim",
                **self.about,
                "payer_claim_control_number": self._number("RX"),
                "claim_frequency_code": "1",
                "claim_status": "paid",
                "ndc_code": f"{self.rng.randint(1, 10**8):011d}",
                "dispensing_date": day.isoformat(),
                "days_supply": 30,
                "quantity": "30",
                "accepted_at": _accepted(day),
            }

    def vaccinated(self) -> Iterator[Event]:
        """What a registry sends of children and adolescents: the doses they had, a few days after they were due."""
        if (self.end - self.birth).days > LAST_VACCINE_AGE * 366:
            return
        for cvx, due, share in VACCINES:
            for after in due:
                day = self.birth + dt.timedelta(days=after + self.rng.randint(0, 20))
                if self.rng.random() < share and day <= self.end:
                    yield self._record(day, "immunization", "CVX", cvx, status="completed", source="iis")

    def depressed(self) -> Iterator[Event]:
        """The visits of somebody who is treated for depression, and the PHQ-9 of some of them, which falls as time goes by."""
        if self.rng.random() >= DEPRESSED:
            return
        score = self.rng.randint(12, 22)
        for day in self._days(12, 6):
            yield self._claim(day, "99214", "F331")
            if self.rng.random() < 0.7:
                yield self._record(day, "observation", "LOINC", "44261-6", value=str(score), unit="{score}")
                score = max(2, score - self.rng.randint(0, 4))

    def all(self) -> list[Event]:
        """Everything, in no order."""
        made = (self.claims(), self.charted(), self.dispensed(), self.vaccinated(), self.depressed())
        return [event for some in made for event in some]

    def _claim(self, day: dt.date, code: str, diagnosis: str) -> Event:
        number = self._number("CARE")
        return {
            "event_type": "claim",
            **self.about,
            "payer_claim_control_number": number,
            "claim_id": f"C{number}",
            "claim_frequency_code": "1",
            "claim_status": "paid",
            "claim_type": "professional",
            **SPECIALIST,
            "diagnosis_code_type": "icd-10-cm",
            "diagnosis_codes": [diagnosis],
            "lines": [
                {
                    "claim_line_number": 1,
                    "claim_line_start_date": day.isoformat(),
                    "claim_line_end_date": day.isoformat(),
                    "units": "1",
                    "allowed_amount": "80.00",
                    "paid_amount": "64.00",
                    "hcpcs_code": code,
                    "place_of_service_code": "22",
                }
            ],
            "accepted_at": _accepted(day),
        }

    def _record(self, day: dt.date, kind: str, system: str, code: str, **more: object) -> Event:
        return {
            "event_type": "clinical",
            **self.about,
            "record_id": self._number("EHR"),
            "record_version": 1,
            "kind": kind,
            "code_system": system,
            "code": code,
            "start": day.isoformat(),
            "status": "final",
            "source": "ehr",
            "accepted_at": _accepted(max(day, self.start)),
            **more,
        }

    def _number(self, prefix: str) -> str:
        self.done += 1
        return f"{prefix}-{self.about['payer']}-{self.about['member_id']}-{self.done}"

    def _days(self, youngest: int, a_year: float) -> Iterator[dt.date]:
        """Days of something that happens so often from an age on, at random distances."""
        first = self.birth.toordinal() + int(youngest * 365.25)
        day: float = max(self.start.toordinal(), first)
        while True:
            day += self.rng.expovariate(a_year / 365)
            if day > self.end.toordinal():
                return
            yield dt.date.fromordinal(int(day))


def _accepted(day: dt.date) -> str:
    return f"{day + LAG}T06:00:00Z"
