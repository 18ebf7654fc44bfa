"""DuckDB doing four measures of the program's edition in SQL over an event file: BCS, COL, CBP and GSD, member by member.

As somebody would write it who has the file, the value sets and a day: the version of each claim that stands, continuous enrollment,
exclusions, numerators. Only that: no attribution, evidence, gaps, strata or rates, nothing of other measures, nothing of a chart but
observations and procedures, and no record is validated.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from state.calendar import add_months
from state.measures.editions import Edition
from state.measures.period import Period
from state.reference.value_sets import ValueSets

MEASURES = ("BCS", "CBP", "COL", "GSD")
_COLUMNS = {
    "event_type": "VARCHAR",
    "payer": "VARCHAR",
    "member_id": "VARCHAR",
    "span_id": "VARCHAR",
    "span_version": "INTEGER",
    "enrollment_start_date": "DATE",
    "enrollment_end_date": "DATE",
    "birth_date": "DATE",
    "death_date": "DATE",
    "gender": "VARCHAR",
    "coverage": "STRUCT(medical BOOLEAN)",
    "payer_claim_control_number": "VARCHAR",
    "original_claim_id": "VARCHAR",
    "claim_frequency_code": "VARCHAR",
    "claim_status": "VARCHAR",
    "claim_version": "INTEGER",
    "adjudicated_at": "TIMESTAMP",
    "diagnosis_codes": "VARCHAR[]",
    "procedure_codes": "VARCHAR[]",
    "discharge_disposition_code": "VARCHAR",
    "admission_date": "DATE",
    "discharge_date": "DATE",
    "lines": (
        "STRUCT(claim_line_start_date DATE, claim_line_end_date DATE, hcpcs_code VARCHAR, "
        "revenue_center_code VARCHAR, place_of_service_code VARCHAR, modifiers VARCHAR[])[]"
    ),
    "record_id": "VARCHAR",
    "record_version": "INTEGER",
    "kind": "VARCHAR",
    "code_system": "VARCHAR",
    "code": "VARCHAR",
    "start": "VARCHAR",
    "end": "VARCHAR",
    "value": "DECIMAL(18, 4)",
    "unit": "VARCHAR",
    "status": "VARCHAR",
    "part_of": "VARCHAR",
    "intent": "VARCHAR",
    "not_done": "BOOLEAN",
    "ndc_code": "VARCHAR",
    "dispensing_date": "DATE",
}
_STEPS = (
    # -- what stands
    """
    CREATE TABLE claims AS SELECT row_number() OVER () AS claim, * FROM (
        SELECT payer, member_id, diagnosis_codes, procedure_codes, discharge_disposition_code AS disposition, lines,
            coalesce(admission_date, list_min([one.claim_line_start_date FOR one IN lines])) AS first,
            claim_frequency_code, claim_status, admission_date, discharge_date
        FROM events WHERE event_type = 'claim' AND claim_status <> 'pending'
        QUALIFY row_number() OVER (
            PARTITION BY payer, member_id, coalesce(original_claim_id, payer_claim_control_number)
            ORDER BY claim_version DESC NULLS LAST, adjudicated_at DESC NULLS LAST, claim_frequency_code DESC
        ) = 1
    ) WHERE claim_frequency_code <> '8' AND claim_status <> 'reversed'
    """,
    """
    CREATE TABLE spans AS SELECT payer, member_id, span_id, enrollment_start_date AS first,
        coalesce(enrollment_end_date, DATE '9999-12-31') AS last, birth_date, death_date, gender,
        coverage IS NULL OR coverage.medical AS medical
    FROM events WHERE event_type = 'enrollment'
    QUALIFY row_number() OVER (PARTITION BY payer, member_id, span_id ORDER BY span_version DESC) = 1
    """,
    """
    CREATE TABLE members AS SELECT payer, member_id, arg_max(birth_date, (first, span_id)) AS birth,
        arg_max(gender, (first, span_id)) AS gender,
        arg_max(death_date, (first, span_id)) FILTER (death_date IS NOT NULL) AS death
    FROM spans GROUP BY ALL
    """,
    # -- coded facts, by role
    """
    CREATE TABLE lines AS SELECT claim, payer, member_id, first AS admitted, line.claim_line_start_date AS first,
        coalesce(line.claim_line_end_date, line.claim_line_start_date) AS last, line.hcpcs_code AS hcpcs,
        lpad(line.revenue_center_code, 4, '0') AS revenue, lpad(line.place_of_service_code, 2, '0') AS place, line.modifiers AS modifiers
    FROM (SELECT claim, payer, member_id, first, unnest(lines) AS line FROM claims)
    """,
    """
    CREATE TABLE ends AS SELECT claim, max(last) AS last,
        coalesce(bool_and(place IN (SELECT low FROM sets WHERE role = 'laboratory_place')), false) AS laboratory
    FROM lines GROUP BY claim
    """,
    """
    CREATE TABLE said AS
    SELECT 'service' AS kind, CASE WHEN hcpcs[1] BETWEEN '0' AND '9' THEN 'CPT' ELSE 'HCPCS' END AS system, hcpcs AS code, payer,
        member_id, claim, NULL AS record_id, NULL AS part_of, admitted, first, last, NULL::DECIMAL(18, 4) AS value, NULL AS unit, modifiers
    FROM lines WHERE hcpcs IS NOT NULL
    UNION ALL
    SELECT 'service', 'UBREV', revenue, payer, member_id, claim, NULL, NULL, admitted, first, last, NULL, NULL, modifiers
    FROM lines WHERE revenue IS NOT NULL
    UNION ALL
    SELECT one.kind, one.system, replace(one.code, '.', ''), payer, member_id, claim, NULL, NULL, first, first,
        coalesce(discharge_date, greatest(last, first)), NULL, NULL, NULL
    FROM (
        SELECT claim, payer, member_id, first, discharge_date, unnest(list_concat(
            [{'kind': 'diagnosis', 'system': 'ICD10CM', 'code': code} FOR code IN coalesce(diagnosis_codes, [])],
            [{'kind': 'service', 'system': 'ICD10PCS', 'code': code} FOR code IN coalesce(procedure_codes, [])],
            [{'kind': 'service', 'system': 'DISCHARGE_STATUS', 'code': code} FOR code IN [disposition] IF code IS NOT NULL]
        )) AS one FROM claims
    ) JOIN ends USING (claim) WHERE one.kind <> 'diagnosis' OR NOT laboratory
    UNION ALL
    SELECT 'dispensing', 'NDC', ndc_code, payer, member_id, NULL, NULL, NULL, dispensing_date, dispensing_date, dispensing_date,
        NULL, NULL, NULL
    FROM (
        SELECT * FROM events WHERE event_type = 'pharmacy_claim' AND claim_status <> 'pending'
        QUALIFY row_number() OVER (
            PARTITION BY payer, member_id, coalesce(original_claim_id, payer_claim_control_number)
            ORDER BY claim_version DESC NULLS LAST, adjudicated_at DESC NULLS LAST, claim_frequency_code DESC
        ) = 1
    ) WHERE claim_frequency_code <> '8' AND claim_status <> 'reversed'
    UNION ALL
    SELECT kind, code_system, code, payer, member_id, NULL, record_id, part_of, start::DATE, start::DATE,
        coalesce("end"[:10]::DATE, start::DATE), value, unit, NULL
    FROM (
        SELECT *, start[:10] AS start FROM events WHERE event_type = 'clinical'
        QUALIFY row_number() OVER (PARTITION BY payer, member_id, record_id ORDER BY record_version DESC) = 1
    )
    WHERE NOT coalesce(not_done, false) AND (
        (kind = 'observation' AND coalesce(status, 'final') IN ('final', 'amended', 'corrected'))
        OR (kind = 'procedure' AND coalesce(status, 'completed') = 'completed' AND intent IS NULL)
    )
    """,
    """
    CREATE TABLE played AS SELECT DISTINCT system, code, role FROM (SELECT DISTINCT system, code FROM said) JOIN sets USING (system)
    WHERE CASE how WHEN 'code' THEN code = low WHEN 'prefix' THEN starts_with(code, low)
        ELSE left(code, len(low)) BETWEEN low AND high AND translate(left(code, len(low)), '012345678', '999999999') SIMILAR TO shape END
    """,
    """
    CREATE TABLE facts AS SELECT role, said.* EXCLUDE (modifiers),
        list_has_any(modifiers, ['LT']) AS on_left, list_has_any(modifiers, ['RT']) AS on_right, list_has_any(modifiers, ['50']) AS on_both
    FROM said JOIN played USING (system, code)
    WHERE first <= $as_of AND NOT coalesce(list_has_any(modifiers, ['1P', '2P', '3P', '8P']), false)
    """,
    # -- continuous enrollment, by window
    """
    CREATE TABLE enrolled AS
    WITH clipped AS (
        SELECT w.window_id, w.first AS opens, w.last AS closes, w.gaps, s.payer, s.member_id, greatest(s.first, w.first) AS a,
            least(s.last, w.last) AS b
        FROM spans s JOIN windows w ON s.first <= w.last AND s.last >= w.first WHERE s.medical AND s.first <= s.last
    ), followed AS (
        SELECT *, a - coalesce(max(b) OVER (
            PARTITION BY window_id, payer, member_id ORDER BY a, b ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), opens - 1) - 1 AS gap FROM clipped
    )
    SELECT window_id, payer, member_id FROM followed GROUP BY window_id, opens, closes, gaps, payer, member_id
    HAVING count_if(gap > 0) + (closes > max(b))::INT <= gaps AND greatest(max(gap), closes - max(b)) <= 45
    """,
    # -- initial populations
    """
    CREATE TABLE asked AS SELECT r.measure, p.*, m.payer, m.member_id, m.death, date_sub('year', m.birth, p.closes) AS age,
    FROM members m CROSS JOIN periods p CROSS JOIN ranges r
    WHERE date_sub('year', m.birth, p.closes) BETWEEN r.youngest AND r.oldest AND (r.measure <> 'BCS' OR upper(m.gender[1]) = 'F')
        AND EXISTS (FROM spans s WHERE s.payer = m.payer AND s.member_id = m.member_id AND s.medical
            AND p.closes BETWEEN s.first AND s.last)
        AND (SELECT count(*) FROM needed n WHERE n.measure = r.measure AND n.period = p.period) = (
            SELECT count(*) FROM needed n JOIN enrolled e USING (window_id)
            WHERE n.measure = r.measure AND n.period = p.period AND e.payer = m.payer AND e.member_id = m.member_id)
    """,
    """
    CREATE TABLE ill AS
    SELECT 'CBP' AS measure, period, payer, member_id, list_sort(list(DISTINCT first))[2] AS since FROM (
        SELECT p.*, v.payer, v.member_id, v.first FROM facts v JOIN facts d USING (claim) CROSS JOIN periods p
        WHERE v.role = 'diagnosed_visit' AND v.kind = 'service' AND d.role = 'hypertension' AND d.kind = 'diagnosis'
            AND v.first >= p.opens - INTERVAL 12 MONTH AND v.first < p.opens + INTERVAL 6 MONTH
    ) GROUP BY ALL HAVING count(DISTINCT first) >= 2
    UNION ALL
    SELECT 'GSD', p.period, f.payer, f.member_id, NULL FROM facts f CROSS JOIN periods p
    WHERE f.role IN ('diabetes', 'diabetes_medication') AND f.kind IN ('diagnosis', 'dispensing')
        AND f.first BETWEEN p.opens - INTERVAL 12 MONTH AND p.closes
    GROUP BY ALL HAVING count(DISTINCT f.first) FILTER (f.kind = 'diagnosis') >= 2
        OR (count_if(f.kind = 'diagnosis') > 0 AND count_if(f.kind = 'dispensing') > 0)
    """,
    """
    CREATE TABLE population AS SELECT a.*, i.since FROM asked a LEFT JOIN ill i USING (measure, period, payer, member_id)
    WHERE a.measure IN ('BCS', 'COL') OR i.payer IS NOT NULL
    """,
    # -- exclusions: what one period shows of a member
    """
    CREATE TABLE shown AS SELECT p.period, f.payer, f.member_id,
        bool_or(f.role IN ('hospice_encounter', 'hospice_intervention', 'palliative_encounter', 'palliative_intervention')
            AND f.kind IN ('service', 'procedure') AND f.first <= p.closes AND f.last >= p.opens) AS comfort,
        bool_or(f.role = 'palliative_diagnosis' AND f.kind = 'diagnosis' AND f.first <= p.closes AND f.last >= p.opens) AS palliative,
        bool_or(f.role = 'discharged_dead' AND f.last BETWEEN p.opens AND p.closes) AS dead,
        count(DISTINCT greatest(f.first, p.opens)) FILTER (
            f.role IN ('frailty_device', 'frailty_diagnosis', 'frailty_encounter') AND f.kind IN ('service', 'diagnosis')
            AND (f.role = 'frailty_diagnosis') = (f.kind = 'diagnosis') AND f.first <= p.closes AND f.last >= p.opens) AS frail,
        count(DISTINCT f.first) FILTER (f.role = 'advanced_illness' AND f.kind = 'diagnosis'
            AND f.first BETWEEN p.opens - INTERVAL 12 MONTH AND p.closes) AS ill,
        bool_or(f.role = 'dementia_medication' AND f.kind = 'dispensing'
            AND f.first BETWEEN p.opens - INTERVAL 12 MONTH AND p.closes) AS demented,
        bool_or((f.role IN ('bilateral_mastectomy', 'history_of_bilateral_mastectomy') OR (f.role = 'unilateral_mastectomy' AND f.on_both))
            AND f.last <= p.closes) AS both,
        bool_or((f.role IN ('unilateral_mastectomy_left', 'absence_of_left_breast') OR (f.role = 'unilateral_mastectomy' AND f.on_left))
            AND f.last <= p.closes) AS on_left,
        bool_or((f.role IN ('unilateral_mastectomy_right', 'absence_of_right_breast') OR (f.role = 'unilateral_mastectomy' AND f.on_right))
            AND f.last <= p.closes) AS on_right,
        bool_or(f.role = 'gender_affirming_chest_surgery' AND f.kind <> 'diagnosis' AND f.last <= p.closes) AS affirmed,
        bool_or(f.role = 'gender_dysphoria' AND f.kind = 'diagnosis' AND f.first <= p.closes) AS dysphoria,
        bool_or((f.role = 'colorectal_cancer' AND f.kind = 'diagnosis' AND f.first <= p.closes)
            OR (f.role = 'total_colectomy' AND f.kind IN ('service', 'procedure') AND f.last <= p.closes)) AS colon,
        bool_or(f.role = 'pregnancy' AND f.kind = 'diagnosis' AND f.first <= p.closes AND f.last >= p.opens) AS pregnant,
        bool_or((f.role = 'renal_procedure' AND f.kind IN ('service', 'procedure') AND f.last <= p.closes)
            OR (f.role = 'renal_diagnosis' AND f.kind = 'diagnosis' AND f.first <= p.closes)) AS renal,
        bool_or(f.role = 'inpatient_stay' AND f.admitted BETWEEN p.opens AND p.closes AND f.claim IN (
            SELECT claim FROM facts WHERE role = 'nonacute_inpatient_stay' AND kind = 'service')) AS nonacute
    FROM facts f CROSS JOIN periods p GROUP BY ALL
    """,
    # -- numerators
    """
    CREATE TABLE screened AS SELECT DISTINCT w.measure, p.period, f.payer, f.member_id
    FROM facts f CROSS JOIN periods p JOIN screenings w USING (role)
    WHERE f.kind IN ('service', 'procedure', 'observation') AND (f.kind <> 'observation' OR w.observed)
        AND f.last BETWEEN p.opens - to_months(w.months) AND p.closes
    """,
    """
    CREATE TABLE pressures AS
    WITH acute AS (SELECT payer, member_id, claim, first, last FROM facts WHERE role = 'acute_contact' AND kind = 'service'),
    taken AS (
        SELECT payer, member_id, claim, last AS day, CASE WHEN role LIKE 'systolic%' THEN coalesce(c.stands, value) END AS systolic,
            CASE WHEN role LIKE 'diastolic%' THEN coalesce(c.stands, value) END AS diastolic
        FROM facts LEFT JOIN classes c USING (role)
        WHERE (role IN ('systolic_bp', 'diastolic_bp', 'bp_panel') AND kind = 'observation')
            OR (c.stands IS NOT NULL AND role NOT LIKE 'hba1c%' AND kind IN ('service', 'procedure'))
    )
    SELECT * FROM taken t WHERE CASE WHEN claim IS NULL
        THEN NOT EXISTS (FROM acute a WHERE a.payer = t.payer AND a.member_id = t.member_id AND t.day BETWEEN a.first AND a.last)
        ELSE claim NOT IN (SELECT claim FROM acute) END
    """,
    """
    CREATE TABLE controlled AS SELECT period, payer, member_id, min(systolic) < 140 AND min(diastolic) < 90 AS met FROM (
        SELECT n.period, t.*, max(day) OVER (PARTITION BY n.period, t.payer, t.member_id) AS latest
        FROM population n JOIN pressures t USING (payer, member_id)
        WHERE n.measure = 'CBP' AND t.day BETWEEN greatest(n.since, n.opens) AND n.closes
    ) WHERE day = latest GROUP BY ALL
    """,
    """
    CREATE TABLE glycemic AS SELECT period, payer, member_id, min(percent) AS lowest FROM (
        SELECT p.period, f.payer, f.member_id, f.last, max(f.last) OVER (PARTITION BY p.period, f.payer, f.member_id) AS latest,
            CASE WHEN c.stands IS NOT NULL THEN c.stands WHEN unit = 'mmol/mol' THEN value * 0.09148 + 2.152 ELSE value END AS percent
        FROM facts f LEFT JOIN classes c USING (role) CROSS JOIN periods p
        WHERE ((role IN ('hba1c_test', 'gmi') AND kind IN ('service', 'procedure', 'observation'))
            OR (role LIKE 'hba1c_%' AND c.stands IS NOT NULL AND kind IN ('service', 'procedure')))
            AND f.last BETWEEN p.opens AND p.closes
    ) WHERE last = latest GROUP BY ALL
    """,
    """
    CREATE TABLE results AS SELECT n.measure, n.rate, n.period, n.payer, n.member_id, n.out::INT AS denominator_exclusion,
        (NOT n.out AND coalesce(n.met, false))::INT AS numerator
    FROM (
        SELECT n.*, r.rate, coalesce(s.comfort OR s.palliative OR s.dead, false) AND n.measure IS NOT NULL
            OR coalesce(n.death BETWEEN n.opens AND n.closes, false)
            OR (n.age >= 66 AND coalesce(s.frail >= 2 AND (s.ill >= 2 OR s.demented OR (n.measure = 'CBP' AND n.age >= 81)), false))
            OR coalesce(CASE n.measure WHEN 'BCS' THEN s.both OR (s.on_left AND s.on_right) OR (s.affirmed AND s.dysphoria)
                WHEN 'COL' THEN s.colon WHEN 'CBP' THEN s.pregnant OR s.renal OR s.nonacute ELSE false END, false) AS out,
            CASE r.rate WHEN 'screened' THEN w.payer IS NOT NULL WHEN 'controlled' THEN b.met WHEN 'lt8' THEN g.lowest < 8
                ELSE g.lowest IS NULL OR g.lowest > 9 END AS met
        FROM population n JOIN rates r USING (measure)
        LEFT JOIN shown s USING (period, payer, member_id)
        LEFT JOIN screened w USING (measure, period, payer, member_id)
        LEFT JOIN controlled b USING (period, payer, member_id)
        LEFT JOIN glycemic g USING (period, payer, member_id)
    ) n
    """,
)
_RATES = (("BCS", "screened"), ("CBP", "controlled"), ("COL", "screened"), ("GSD", "gt9"), ("GSD", "lt8"))


def measure(
    events: Path, out: Path, edition: Edition, sets: ValueSets, periods: Sequence[Period], as_of: dt.date
) -> None:
    """Write measures.csv of the four measures: a line for each rate, period and member of the denominator."""
    database = duckdb.connect()
    database.execute("SET threads = 1")
    columns = ", ".join(f"{name!r}: {kind!r}" for name, kind in _COLUMNS.items())
    for name, rows in _parameters(edition, sets, periods):
        _put(database, name, rows)
    database.execute(
        f"CREATE TABLE events AS FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}})",
        [str(events)],
    )
    for step in _STEPS:
        database.execute(step, {"as_of": as_of} if "$as_of" in step else None)
    database.execute(f"COPY (FROM results ORDER BY ALL) TO '{out}' (HEADER)")
    database.close()


def _put(database: duckdb.DuckDBPyConnection, name: str, rows: Sequence[dict[str, object]]) -> None:
    kinds = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", dt.date: "DATE"}
    shape = {column: kinds[type(value)] for column, value in rows[0].items()}
    data = json.dumps(rows, default=str)
    database.execute(
        f"CREATE TABLE {name} AS SELECT unnest(from_json(?, ?), recursive := true)", [data, json.dumps([shape])]
    )


def _parameters(
    edition: Edition, sets: ValueSets, periods: Sequence[Period]
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """What the SQL is told of the edition, as tables."""
    named = {period: str(dt.date.fromordinal(period.end).year) for period in periods}
    yield (
        "periods",
        [{"period": name, "opens": _date(period.start), "closes": _date(period.end)} for period, name in named.items()],
    )
    yield "sets", list(_codes(edition, sets))
    yield "rates", [{"measure": measure, "rate": rate} for measure, rate in _RATES]
    parameters = edition.parameters
    yield (
        "ranges",
        [
            {"measure": name, "youngest": parameters[name].youngest, "oldest": parameters[name].oldest}
            for name in MEASURES
        ],
    )
    windows: list[dict[str, object]] = []
    needed: list[dict[str, object]] = []
    for name in MEASURES:
        for period in periods:
            for first, last, gaps in _years(period, parameters[name].eligibility.months_before):
                window = f"{first}..{last}"
                needed.append({"measure": name, "period": named[period], "window_id": window})
                if all(one["window_id"] != window for one in windows):
                    windows.append({"window_id": window, "first": _date(first), "last": _date(last), "gaps": gaps})
    yield "windows", windows
    yield "needed", needed
    col = parameters["COL"]
    yield (
        "screenings",
        [
            {"measure": name, "role": role, "months": months, "observed": observed}
            for name, role, months, observed in (
                ("BCS", "mammography", parameters["BCS"].months_before, True),
                ("COL", "fobt", 12 * col.fobt_years, True),
                ("COL", "stool_dna", 12 * col.stool_dna_years, True),
                ("COL", "flexible_sigmoidoscopy", 12 * col.sigmoidoscopy_years, False),
                ("COL", "ct_colonography", 12 * col.ct_colonography_years, True),
                ("COL", "colonoscopy", 12 * col.colonoscopy_years, False),
            )
        ],
    )
    reading = parameters["CBP"].reading
    classes = {**reading.systolic_classes, **reading.diastolic_classes, **parameters["GSD"].classes}
    yield "classes", [{"role": role, "stands": float(value)} for role, value in classes.items()]


def _years(period: Period, months_before: int) -> Iterator[tuple[int, int, int]]:
    """The years, counted back from the period's end, of which each is to be covered but for so many gaps; none in a stub."""
    start, last = period.months_before_start(months_before), period.end
    while last >= start:
        first = max(start, add_months(last + 1, -12))
        yield first, last, int(first <= add_months(last + 1, -6))
        last = first - 1


def _codes(edition: Edition, sets: ValueSets) -> Iterator[dict[str, object]]:
    for role in sorted({role for name in MEASURES for role in edition.roles(name)}):
        for name in (*edition.sets.get(role, ()), *(one for one in edition.optional.get(role, ()) if one in sets)):
            one = sets.get(name)
            for system, code in sorted(one.codes):
                yield _code(role, system, "code", code)
            for system, code in sorted(one.prefixes):
                yield _code(role, system, "prefix", code)
            for span in sorted(one.ranges):
                yield _code(role, span.system, "range", span.low, span.high)
        for system, code in edition.codes.get(role, ()):
            yield _code(role, system, "code", code)


def _code(role: str, system: str, how: str, low: str, high: str = "") -> dict[str, object]:
    """`shape` says where a range has digits."""
    shape = "".join("9" if letter.isdecimal() else "[^0-9]" for letter in low)
    return {"role": role, "system": system, "how": how, "low": low, "high": high, "shape": shape}


def _date(day: int) -> dt.date:
    return dt.date.fromordinal(day)
