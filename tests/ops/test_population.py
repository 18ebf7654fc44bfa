from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter, defaultdict
from random import Random

import msgspec
import pytest

from ops.sample import mishaps
from ops.sample import population as module
from ops.sample.population import population
from schemas.unions import Record
from streams.adapters.identifiers import with_check_digit

START, END = dt.date(2024, 1, 1), dt.date(2025, 6, 30)
CLOSED_LISTS_AND_TYPES, RULES = "wrong type or value", "rule"


def problem(event):
    """What is malformed about an event, or None: judged from the event alone."""
    try:
        record = msgspec.json.decode(json.dumps(event), type=Record)
    except msgspec.ValidationError as error:
        return str(error).split(" - ")[-1]
    assert set(event) <= {*record.__struct_fields__, "event_type"}
    if event["event_type"] == "enrollment":
        end = event.get("enrollment_end_date", "9999")
        if end < event["enrollment_start_date"] and event["maintenance_type_code"] != "024":
            return "span ends before it starts"
    if event["event_type"] == "claim":
        lines = event["lines"]
        if any(line["claim_line_start_date"] > event["accepted_at"][:10] for line in lines):
            return "service in the future"
        if any(line["claim_line_end_date"] < line["claim_line_start_date"] for line in lines):
            return "line ends before it starts"
        if len({line["claim_line_number"] for line in lines}) < len(lines):
            return "repeated line number"
        npis = [event["billing_npi"], *(line["rendering_npi"] for line in lines if "rendering_npi" in line)]
        if any(npi != with_check_digit(npi[:9]) for npi in npis):
            return "check digit"
    return None


@pytest.fixture(scope="module")
def good():
    return list(population(400, 7, START, END, bad_share=0))


@pytest.fixture(scope="module")
def bad():
    return list(population(400, 7, START, END, bad_share=0.05))


@pytest.fixture(scope="module")
def good_claims(good):
    return [event for event in good if event["event_type"] == "claim"]


@pytest.fixture(scope="module")
def families(good_claims):
    """The claim events of each family, in order of acceptance."""
    found = defaultdict(list)
    for event in good_claims:
        found[event.get("original_claim_id", event["payer_claim_control_number"])].append(event)
    return found


def test_the_same_seed_gives_the_same_events_and_another_seed_others():
    one, again, other = (list(population(30, seed, START, END)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_large_populations_merged_from_files_equal_those_sorted_in_memory(monkeypatch):
    in_memory = list(population(60, 3, START, END))
    monkeypatch.setattr(module, "BLOCK", 7)
    assert list(population(60, 3, START, END)) == in_memory


def test_a_reader_may_stop_early(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)
    events = population(60, 3, START, END)
    assert next(events)["event_type"] == "payer"
    events.close()


def test_events_come_in_order_of_acceptance_within_the_period(bad):
    times = [event["accepted_at"] for event in bad]
    assert times == sorted(times)
    assert times[0] >= "2024-01-01T00:00:00Z"
    assert times[-1] <= "2025-06-30T23:59:59Z"


def test_without_a_bad_share_every_event_is_well_formed(good):
    assert [found for found in map(problem, good) if found] == []


def test_the_bad_share_of_claims_and_enrollments_is_malformed_in_every_way(bad):
    found = Counter(filter(None, map(problem, bad)))
    feed = sum(event["event_type"] in ("claim", "enrollment") for event in bad)
    assert 0.035 < found.total() / feed < 0.065
    assert {
        "at `$.lines[0].claim_line_start_date`",
        "at `$.claim_type`",
        "at `$.birth_date`",
        "at `$.span_version`",
        "Object missing required field `payer_claim_control_number`",
        "service in the future",
        "line ends before it starts",
        "span ends before it starts",
        "repeated line number",
        "check digit",
    } <= set(found)
    assert {"at `$.lines`", "at `$.member_id`"} & set(found)


@pytest.mark.parametrize("event_type", ["claim", "enrollment"])
def test_each_way_to_break_an_event_makes_it_malformed(good, event_type):
    event = next(event for event in good if event["event_type"] == event_type)
    for breaks in mishaps.WAYS_TO_BREAK[event_type]:
        copied = json.loads(json.dumps(event))
        breaks(Random(1), copied)
        assert problem(copied), breaks.__name__
    assert problem(event) is None


def test_a_malformed_record_says_nothing_about_being_so(good, bad):
    keys = {event_type: set() for event_type in ("claim", "enrollment")}
    for event in good:
        if event["event_type"] in keys:
            keys[event["event_type"]] |= set(event)
    assert all(set(event) <= keys[event["event_type"]] for event in bad if event["event_type"] in keys)


def test_every_kind_of_a_bad_day_occurs(good, families):
    seen = Counter()
    for versions in families.values():
        shapes = [(event["claim_frequency_code"], event["claim_status"]) for event in versions]
        numbers = {event["payer_claim_control_number"] for event in versions}
        seen["sent twice"] += any(one == two for one, two in itertools.pairwise(versions))
        without_source = [
            {key: value for key, value in event.items() if key not in ("accepted_at", "source_file", "source_row")}
            for event in versions
        ]
        seen["sent again"] += any(
            one == two and versions[0] != versions[1] for one, two in itertools.pairwise(without_source)
        )
        seen["replaced"] += shapes == [("1", "paid"), ("7", "paid")] and len(numbers) == 1
        seen["replaced under a new number"] += shapes == [("1", "paid"), ("7", "paid")] and len(numbers) == 2
        seen["replacement first"] += shapes == [("7", "paid"), ("1", "paid")]
        seen["voided"] += shapes == [("1", "paid"), ("8", "reversed")]
        seen["void first"] += shapes == [("8", "reversed"), ("1", "paid")]
        seen["denied"] += shapes == [("1", "denied")]
        seen["denied then paid"] += shapes == [("1", "denied"), ("7", "paid")]
        seen["pending then paid"] += shapes == [("1", "pending"), ("7", "paid")]
        seen["line denied"] += any(line.get("line_status") == "denied" for line in versions[0]["lines"])
        days = dt.date.fromisoformat(versions[0]["accepted_at"][:10]) - dt.date.fromisoformat(
            versions[0]["lines"][0]["claim_line_start_date"]
        )
        seen["late"] += days.days > 60
    assert not [kind for kind, count in seen.items() if not count], seen


def test_payers_differ_in_how_they_mark_versions(good_claims):
    marks = defaultdict(set)
    for event in good_claims:
        marks[event["payer"]].add(tuple(key for key in ("claim_version", "adjudicated_at") if key in event))
    assert marks == {
        "aetna": {("claim_version", "adjudicated_at")},
        "blueshield": {("adjudicated_at",)},
        "healthnet": {()},
    }


def test_health_centers_bill_institutional_visits_by_revenue_code(good_claims):
    visits = [event for event in good_claims if event.get("bill_type_code") == "771"]
    assert visits
    assert {line["revenue_center_code"] for event in visits for line in event["lines"]} == {"0521"}
    assert {"rendering_npi" in event["lines"][0] for event in visits} == {True, False}


def test_members_live_and_change_as_members_do(good):
    spans = [event for event in good if event["event_type"] == "enrollment"]
    codes = Counter(span["maintenance_type_code"] for span in spans)
    assert {"021", "024", "025"} == set(codes)
    assert any("death_date" in span for span in list(population(1500, 7, START, END)) if span.get("span_version") == 2)
    taken_back = [
        span
        for span in spans
        if span["maintenance_type_code"] == "024" and span["enrollment_end_date"] < span["accepted_at"][:10]
    ]
    assert taken_back
    payers = defaultdict(set)
    for span in spans:
        payers[span["person_id"]].add(span["payer"])
    assert any(len(found) == 2 for found in payers.values())


def test_three_of_ten_members_have_a_selection(good):
    members = {(event["payer"], event["member_id"]) for event in good if event["event_type"] == "enrollment"}
    selections = [event for event in good if event["event_type"] == "pcp_selection"]
    assert 0.2 < len({(event["payer"], event["member_id"]) for event in selections}) / len(members) < 0.4
    assert {event["selection_source"] for event in selections} == {
        "member_selected",
        "plan_matched",
        "plan_auto_assigned",
    }
    assert any("effective_to" in event for event in selections)


def test_practices_have_a_roster_that_changes(good):
    rows = [event for event in good if event["event_type"] == "provider"]
    practices = [event for event in good if event["event_type"] == "practice"]
    assert len(practices) == 2
    assert {row["practice_id"] for row in rows} == {practice["practice_id"] for practice in practices}
    many = [event for event in population(1200, 7, START, END) if event["event_type"] == "provider"]
    assert {row["roster_version"] for row in many} == {1, 2}
    assert any(row["accepted_at"] > "2024-01-02" and row["roster_version"] == 1 for row in many)


def test_a_manifest_a_week_tells_what_each_claims_file_held(good, good_claims):
    manifests = [event for event in good if event["event_type"] == "feed_manifest"]
    held = defaultdict(set)
    for claim in good_claims:
        held[claim["source_file"]].add(claim["source_row"])
    assert len(manifests) == len({manifest["file"] for manifest in manifests}) == 3 * 79
    for manifest in manifests:
        assert held.get(manifest["file"], set()) == set(range(1, manifest["records"] + 1))
        assert manifest["covers_from"] <= manifest["covers_to"]


def test_some_members_see_primary_care_about_three_times_a_year_and_some_never(good, good_claims):
    primary = {event["billing_npi"] for event in good_claims} & {
        npi for event in good if event["event_type"] == "practice" for npi in event["organisation_npis"]
    }
    visits = Counter(
        (event["payer"], event["member_id"], event["lines"][0]["claim_line_start_date"])
        for event in good_claims
        if event["billing_npi"] in primary
    )
    seen = Counter((payer, member) for payer, member, _ in visits)
    members = {(event["payer"], event["member_id"]) for event in good if event["event_type"] == "enrollment"}
    assert 1.2 < sum(seen.values()) / len(members) / 1.5 < 3.5
    assert 0.1 < 1 - len(seen) / len(members) < 0.4


@pytest.mark.parametrize("arguments", [(0, 1, START, END), (5, 1, END, START)])
def test_a_population_of_nobody_or_of_no_time_is_refused(arguments):
    with pytest.raises(ValueError, match="at least one member"):
        next(population(*arguments))
