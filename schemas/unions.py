"""Which records may stand where: in event files and on input topics, and on the program's log."""

from __future__ import annotations

from schemas.money import Contract, PaymentPosted, StatementRelease
from schemas.records import (
    Close,
    CloseAnnul,
    MemberFact,
    Partial,
    PartialSums,
    ReferenceRecord,
    Restated,
    Site,
    SurveyResult,
    Tick,
)

MoneyRecord = Contract | PaymentPosted | Site
"""What only money rests on. The conductor alone reads it: it is not broadcast to members."""
ProgramRecord = ReferenceRecord | MoneyRecord | SurveyResult
"""What comes in over `reference`. On results of surveys rests nothing: the conductor keeps them to be shown."""
Record = MemberFact | ProgramRecord
ControlRecord = ProgramRecord | Tick | Close | CloseAnnul | Partial | PartialSums | Restated | StatementRelease
