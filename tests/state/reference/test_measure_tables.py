"""The tables that measures need: what is read of them, and what is refused with its line and column."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from state.measures.editions import Bound, built_in
from state.measures.measure_tables import parse
from state.reference import reference_rates, risk_weights, tcoc_prices
from state.reference.starter_sets import starter_sets
from state.reference.tables import InvalidTable, TableFile

WEIGHTS = ",".join(risk_weights.COLUMNS) + "\n"
LOGISTIC = "weight,,,,,,,EDU,logistic,,,-2\n"
COUNT = "weight,,,,,,,EDU,count,,,0.25\n"
RATES = "measure,per_member,mean_ratio\n"
PRICES = "code_system,code,modifier,per,price\n"


def weights(text: str) -> risk_weights.RiskWeights:
    return risk_weights.parse(TableFile(risk_weights.KIND, "weights.csv", (WEIGHTS + text).encode()))


def rates(text: str) -> reference_rates.ReferenceRates:
    return reference_rates.parse(TableFile(reference_rates.KIND, "rates.csv", (RATES + text).encode()))


def prices(text: str) -> tcoc_prices.Prices:
    return tcoc_prices.parse(TableFile(tcoc_prices.KIND, "prices.csv", (PRICES + text).encode()))


def test_a_diagnosis_is_found_with_and_without_its_dot_and_can_be_of_two_categories() -> None:
    found = weights(f"cc,e11.9,19,,,,,,,,,\ncc,E119,20,,,,,,,,,\n{LOGISTIC}{COUNT}")
    assert found.categories == {("ICD10CM", "E119"): ("19", "20")}
    assert (found.speaks_of("EDU"), found.speaks_of("AHU")) == (True, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weight,,,,,,,EDU,linear,,,1\n", "line 2, model: 'linear' is none of count, logistic"),
        ("weight,,,,,,,EDU,logistic,X,,1\n", "line 2, gender: 'X' is none of F, M, or empty for both"),
        ("weight,,,,,,,EDU,logistic,,18 to 44,1\n", "line 2, ages: '18 to 44' is not written as 18-44, 65+"),
        ("weight,,,,,,,EDU,logistic,,44-18,1\n", "line 2, ages: '44-18' ends before it starts"),
        ("weight,,,,,,,EDU,logistic,,,many\n", "line 2, weight: 'many' is not a number"),
        ("weight,,,,,,,EDU,logistic,,,NaN\n", "line 2, weight: 'NaN' is not a number"),
        ("weight,,,,,,,EDU,logistic,,,150.5\n", "line 2, weight: 150.5 is no weight of a logarithm"),
        (LOGISTIC + LOGISTIC, "line 3, weight: an earlier row already weighs the same people"),
        (
            "weight,,,,,,,EDU,logistic,F,18-44,1\nweight,,,,,,,EDU,logistic,F,40+,1\n",
            "line 3, weight: an earlier row already weighs the same people",
        ),
        ("comb,,,,,HCC-901,HCC-18,,,,,\n", "line 2, parts: a combination has two HCCs or more"),
        ("rank,,18,DIABETES,1.5,HCC-18,,,,,,\n", "line 2, rank: 1.5 is no whole number"),
        ("cc,,19,,,,,,,,,\n", "line 2, code: is empty"),
        (LOGISTIC, "has no count weights of EDU: both models are needed"),
    ],
)
def test_a_row_of_weights_that_cannot_be_is_refused_by_line_and_column(text: str, says: str) -> None:
    with pytest.raises(InvalidTable) as refused:
        weights(text)
    assert says in str(refused.value)


def test_a_base_weight_and_a_weight_by_age_stand_side_by_side() -> None:
    by_age = "weight,,,,,,,EDU,logistic,,18+,1\n"
    assert len(weights(LOGISTIC + by_age + COUNT).weights["EDU", "logistic"]) == 2


def test_a_reference_rate_is_per_member_and_not_calibrated_unless_a_mean_ratio_is_given() -> None:
    assert rates("EDU,0.1505,\nAHU,0.0313,1.1\n") == {
        "EDU": reference_rates.ReferenceRate(Decimal("0.1505"), Decimal(1)),
        "AHU": reference_rates.ReferenceRate(Decimal("0.0313"), Decimal("1.1")),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("EDU,150.5,\n", "line 2, per_member: 150.5 is no rate per member: write 150 per 1,000 as 0.150"),
        ("EDU,0,\n", "line 2, per_member: 0 is no rate per member"),
        ("EDU,0.1,0\n", "line 2, mean_ratio: is 0"),
        ("EDU,0.1,\nEDU,0.2,\n", "line 3, measure: EDU has a rate already"),
    ],
)
def test_a_reference_rate_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidTable) as refused:
        rates(text)
    assert says in str(refused.value)


def test_a_price_is_found_by_the_normal_spelling_of_its_code() -> None:
    found = prices("NDC,0093-0058-01,,unit,0.25\nUBREV,450,,line,700\n")
    assert found.find(("NDC", "00093005801")) == tcoc_prices.Price(Decimal("0.25"), per_unit=True)
    assert found.find(("UBREV", "0450")) == tcoc_prices.Price(Decimal(700), per_unit=False)
    assert found.find(("CPT", "99213")) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "ICD10CM,J189,,line,1\n",
            "line 2, code_system: ICD10CM has no prices: use CPT, HCPCS, MSDRG, NDC, RXNORM, UBREV",
        ),
        ("no system,1,,line,1\n", "line 2, code_system:"),
        ("MSDRG,193,,line,1\n", "line 2, per: 'line' is none of stay"),
        ("CPT,99213,,stay,1\n", "line 2, per: 'stay' is none of line, unit"),
        ("CPT,99213,,unit,-1\n", "line 2, price: '-1' is not a number from 0 upwards"),
        ("CPT,99213,,unit,1\nHCPCS,99213,,line,2\n", "line 3, code: 99213 has a price already"),
    ],
)
def test_a_price_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidTable) as refused:
        prices(text)
    assert says in str(refused.value)


def test_two_tables_of_a_kind_and_a_kind_that_is_none_are_refused() -> None:
    one, two = (TableFile(reference_rates.KIND, name, f"{RATES}EDU,0.1,\n".encode()) for name in ("a.csv", "b.csv"))
    with pytest.raises(InvalidTable, match=r"b\.csv and a\.csv are both of kind reference_rates"):
        parse([one, two])
    with pytest.raises(InvalidTable, match="x is of kind hpi: measures take rau_weights, reference_rates, tcoc_prices"):
        parse([TableFile("hpi", "x", b"")])


def test_the_digests_of_what_was_supplied_are_known() -> None:
    file = TableFile(reference_rates.KIND, "a.csv", f"{RATES}EDU,0.1,\n".encode())
    assert [kind for kind, _ in parse([file]).digests] == ["reference_rates"]


def test_an_edition_that_does_not_say_which_contacts_weigh_is_refused_when_weights_are_supplied() -> None:
    edition = built_in("capc-2025").only(["EDU"])
    without = {role: names for role, names in edition.sets.items() if role != "risk_contact"}
    broken = msgspec.structs.replace(edition, sets=without)
    Bound(broken, starter_sets())
    supplied = parse([TableFile(risk_weights.KIND, "w.csv", (WEIGHTS + LOGISTIC + COUNT).encode())])
    with pytest.raises(InvalidTable, match="binds no value set or code to the role risk_contact"):
        Bound(broken, starter_sets(), supplied)
