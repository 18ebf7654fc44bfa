"""From everything that was said of a claim, dispensing, record or span to what of it stands and a value set can touch.

Source: measures.md 1.5 (the final version of each line; what is reversed leaves), design.md, where the time goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from schemas.records import Claim, Clinical, Coverage, Enrollment, PharmacyClaim, PracticeResult
from state.calendar import FOREVER, Day, day_written, from_date
from state.ledger.claims import CONTRIBUTES, resolve
from state.ledger.rows import History, Row, newest
from state.measures.facts import (
    ENCOUNTER_CLASS,
    CoverSpan,
    Kept,
    KeptClaim,
    KeptDispensing,
    KeptLine,
    KeptRecord,
    KeptResult,
    Profile,
    Wanted,
)
from state.reference.codes import Code, System, UnknownSystem, UnusableCode, code_of, diagnosis_system

_ALL_BENEFITS = Coverage(medical=True, pharmacy=True, mental_health=True)


def kept_of(name: str, row: Row | None, wanted: Wanted, *, allow_reopen: bool) -> Kept | None:
    """What of a cold row stands and can touch a measure; None for nothing, and for rows of other facts.

    A pending or reversed version, and a family that a void has closed, leave nothing; a denied one is kept as denied, for the editions
    in which it counts (attribution.md 2.9). A claim is kept for what is read by itself, and then with all that is read beside it.
    """
    if not isinstance(row, History):
        return None
    first = row.statements[0].body
    if isinstance(first, Claim):
        claim = resolve(row, Claim, allow_reopen=allow_reopen).current
        return None if claim is None or claim.claim_status == "reversed" else _claim(name, claim, wanted)
    if isinstance(first, PharmacyClaim):
        fill = resolve(row, PharmacyClaim, allow_reopen=allow_reopen).current
        return None if fill is None or fill.claim_status == "reversed" else _dispensing(name, fill, wanted)
    if isinstance(first, Clinical):
        record = newest(row, "record_version").body
        assert isinstance(record, Clinical)  # noqa: S101 - a record's history holds its versions
        return _record(name, record, wanted)
    if isinstance(first, PracticeResult):
        result = newest(row, "result_version").body
        assert isinstance(result, PracticeResult)  # noqa: S101 - a result's history holds its versions
        return _result(name, result, wanted)
    return None


class Said(msgspec.Struct, frozen=True, array_like=True):
    """What the newest version of an enrollment span says, as far as measures look at it. `start` after `end`: it never took effect."""

    span_id: str
    start: Day
    end: Day
    product: str
    benefits: tuple[bool, bool, bool]
    birth: Day
    gender: str
    death: Day | None = None
    race: str = ""
    ethnicity: str = ""
    language: str = ""


def span_of(name: str, row: History) -> Said:
    """What of a span's row stands. Raises `TypeError` for a row of anything else."""
    body = newest(row, "span_version").body
    if not isinstance(body, Enrollment):
        raise TypeError(f"{name} is no enrollment span")
    # A plan that does not say which benefits a span has is taken to cover them all.
    cover = body.coverage or _ALL_BENEFITS
    return Said(
        body.span_id,
        from_date(body.enrollment_start_date),
        from_date(body.enrollment_end_date),
        body.product,
        (cover.medical, cover.pharmacy, cover.mental_health),
        from_date(body.birth_date),
        body.gender,
        None if body.death_date is None else from_date(body.death_date),
        body.race or "",
        body.ethnicity or "",
        body.language or "",
    )


def profile_of(spans: Iterable[Said]) -> Profile:
    """Who the member is, by the newest version of every enrollment span; of what several say, the span that starts last has it."""
    said = sorted(spans, key=lambda one: (one.start, one.span_id), reverse=True)
    if not said:
        return Profile()
    return Profile(
        birth=said[0].birth,
        gender=said[0].gender,
        death=next((one.death for one in said if one.death is not None), None),
        spans=tuple(
            sorted(CoverSpan(one.start, one.end, one.product, *one.benefits) for one in said if one.start <= one.end)
        ),
        race=next((one.race for one in said if one.race), ""),
        ethnicity=next((one.ethnicity for one in said if one.ethnicity), ""),
        language=next((one.language for one in said if one.language), ""),
    )


def _claim(name: str, claim: Claim, wanted: Wanted) -> KeptClaim | None:
    system = _diagnosis_system(claim.diagnosis_code_type or "")
    diagnoses = [code for text in claim.diagnosis_codes for code in _one(system, text)] if system else []
    procedures = [code for text in claim.procedure_codes for code in _one("ICD10PCS", text)]
    bill_type = _one("UBTOB", claim.bill_type_code)
    drg = _one("MSDRG", claim.drg_code)
    disposition = _one("DISCHARGE_STATUS", claim.discharge_disposition_code)
    of_lines = [
        (
            line,
            _one("HCPCS", line.hcpcs_code),
            _one("UBREV", line.revenue_center_code),
            _text(_one("POS", line.place_of_service_code)),
        )
        for line in claim.lines
    ]
    # Most claims are not kept: that is seen before anything is made.
    if not any(
        wanted.by_itself(code) for code in (*diagnoses, *procedures, *bill_type, *drg, *disposition)
    ) and not any(
        wanted.by_itself(code, place) for _, hcpcs, revenue, place in of_lines for code in (*hcpcs, *revenue)
    ):
        return None
    lines: list[KeptLine] = []
    for line, hcpcs, revenue, place in of_lines:
        if not any(wanted(code) for code in (*hcpcs, *revenue)):
            continue
        start = from_date(line.claim_line_start_date)
        lines.append(
            KeptLine(
                start=start,
                end=start if line.claim_line_end_date is None else from_date(line.claim_line_end_date),
                hcpcs=_text(hcpcs),
                hcpcs_system=hcpcs[0][0] if hcpcs else "",  # type: ignore[arg-type]  # normal_code names CPT or HCPCS
                revenue=_text(revenue),
                place=place,
                modifiers=tuple(modifier.strip().upper() for modifier in line.modifiers),
                denied=line.line_status == "denied",
                units=line.units,
                allowed=line.allowed_amount,
                npi=line.rendering_npi or "",
            )
        )
    days = [from_date(line.claim_line_start_date) for line in claim.lines]
    ends = [from_date(line.claim_line_end_date or line.claim_line_start_date) for line in claim.lines]
    start = from_date(claim.admission_date) if claim.admission_date else min(days)
    end = from_date(claim.discharge_date) if claim.discharge_date else max(*ends, start)
    return KeptClaim(
        row=name,
        evidence=claim.claim_id or claim.payer_claim_control_number,
        institutional=claim.claim_type == "institutional",
        start=start,
        end=end,
        denied=claim.claim_status not in CONTRIBUTES,
        lines=tuple(sorted(lines)),
        diagnosis_system=system or "ICD10CM",  # type: ignore[arg-type]  # one of the three
        principal=diagnoses[0][1] if diagnoses else "",
        diagnoses=tuple(code[1] for code in diagnoses if wanted(code)),
        procedures=tuple(code[1] for code in procedures if wanted(code)),
        bill_type=_text(bill_type),
        drg=_text(drg),
        discharged=claim.discharge_date is not None,
        disposition=_text(disposition),
        places=tuple(sorted({place for *_, place in of_lines if place})),
    )


def _dispensing(name: str, fill: PharmacyClaim, wanted: Wanted) -> KeptDispensing | None:
    ndc, rxnorm = _one("NDC", fill.ndc_code), _one("RXNORM", fill.rxnorm_code)
    if not any(wanted(code) for code in (*ndc, *rxnorm)):
        return None
    return KeptDispensing(
        row=name,
        evidence=fill.payer_claim_control_number,
        day=from_date(fill.dispensing_date),
        days_supply=fill.days_supply,
        quantity=fill.quantity,
        ndc=_text(ndc),
        rxnorm=_text(rxnorm),
        denied=fill.claim_status not in CONTRIBUTES,
        allowed=fill.allowed_amount,
    )


def _record(name: str, record: Clinical, wanted: Wanted) -> KeptRecord | None:
    code = next(iter(_one(record.code_system, record.code)), None)
    is_class_wanted = record.kind == "encounter" and wanted((ENCOUNTER_CLASS, record.category or ""))
    if code is None or not (wanted(code) or is_class_wanted):
        return None
    values = _value_codes(record.value_code)
    start = from_date(day_written(record.start))
    return KeptRecord(
        row=name,
        kind=record.kind,
        system=code[0],
        code=code[1],
        start=start,
        end=FOREVER if record.end is None else from_date(day_written(record.end)),
        start_at=record.start if len(record.start) > 10 else "",
        end_at=record.end if record.end is not None and len(record.end) > 10 else "",
        value=record.value,
        value_code=values[0][1],
        value_system=values[0][0],
        unit=record.unit or "",
        status=record.status or "",
        source=record.source or "",
        category=record.category or "",
        verification=record.verification_status or "",
        intent=record.intent or "",
        not_done=record.not_done,
        reason_code=_bare(record.reason_code),
        disposition=_bare(record.disposition_code),
        authored=None if record.authored is None else from_date(day_written(record.authored)),
        part_of=record.part_of or "",
        body_site=_bare(record.body_site),
        more_values=values[1:],
        authored_at=record.authored if record.authored is not None and len(record.authored) > 10 else "",
    )


def _result(name: str, result: PracticeResult, wanted: Wanted) -> KeptResult | None:
    code = next(iter(_one(result.code_system, result.code)), None)
    if code is None or not wanted(code):
        return None
    return KeptResult(
        row=name,
        practice_id=result.practice_id,
        system=code[0],
        code=code[1],
        day=from_date(result.date),
        value=result.value,
        unit=result.unit or "",
        state=result.state,
        document_ref=result.document_ref,
    )


def _value_codes(text: str | None) -> tuple[Code, ...]:
    """What a coded result says: `system|code`, several joined by `;`. Anything else stays as it is; always at least one."""
    return tuple(_value_code(one) for one in _several(text))


def _bare(text: str | None) -> str:
    """Codes without their systems, joined by `;`."""
    return ";".join(_value_code(one)[1] for one in _several(text))


def _several(text: str | None) -> list[str]:
    """The codes of a text that joins them by `;`; a text in which one part is no code is one."""
    parts = (text or "").split(";")
    return parts if all("|" in one for one in parts) else [text or ""]


def _value_code(text: str) -> Code:
    system, bar, code = text.rpartition("|")
    if not bar:
        return "", code.strip()
    found = _one(system, code)
    return found[0] if found else (system, code)


@lru_cache(maxsize=1 << 17)
def _one(system: str, text: str | None) -> tuple[Code, ...]:
    """The normal code of what a source wrote; nothing for what is no code of its system, which no value set can hold."""
    if not text or not text.strip():
        return ()
    try:
        return (code_of(system, text),)
    except (UnknownSystem, UnusableCode):
        return ()


def _diagnosis_system(text: str) -> System:
    """The system of a claim's diagnoses; "" for one that intake would refuse: then nobody can say what they mean."""
    try:
        return diagnosis_system(text)
    except UnknownSystem:
        return ""


def _text(codes: tuple[Code, ...]) -> str:
    return codes[0][1] if codes else ""
