"""docs/measures.md, made from the measures themselves: their docstrings, parameters and edition files.

`python -m streams.measures_page > docs/measures.md` writes it; a test holds the page to the source.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import msgspec

from state.measures import (
    ahu,
    amr,
    asthma_drugs,
    bcs,
    blood_pressure,
    cahps,
    cbp,
    cis,
    col,
    credit,
    death,
    depression_scores,
    dms,
    drr,
    dsf,
    dsf_program,
    dsf_visits,
    edu,
    eligibility,
    enrollment,
    frailty,
    gsd,
    hospice,
    ima,
    immunizations,
    palliative,
    risk,
    standard_cost,
    status,
    stays,
    tcoc,
    utilisation,
    vaccines,
)
from state.measures.catalogue import MEASURES
from state.measures.editions import FOLDER, Edition, built_in
from streams.rates_shown import equity_sensitive, in_order

RULES: Mapping[str, tuple[ModuleType, ...]] = {
    "AHU": (ahu, utilisation, stays, risk),
    "AMR": (amr, asthma_drugs),
    "BCS": (bcs,),
    "CBP": (cbp, blood_pressure),
    "CIS": (cis, immunizations, vaccines),
    "COL": (col,),
    "DMS": (dms, depression_scores),
    "DRR": (drr, depression_scores),
    "DSF": (dsf, dsf_program, dsf_visits),
    "EDU": (edu, utilisation, stays, risk),
    "GSD": (gsd,),
    "IMA": (ima, immunizations, vaccines),
    "TCOC": (tcoc, standard_cost),
}
"""The modules in which the rule of a measure stands, the measure's own first."""
SHARED = (eligibility, enrollment, hospice, death, palliative, frailty, status, credit)
"""The modules of steps that several measures share."""
_FRAME = frozenset(
    {
        "compare",
        "enters",
        "evaluate",
        "looks_until",
        "measure",
        "needs",
        "only_counted",
        "rates",
        "roles",
        "roles_until",
        "value",
    }
)
"""Functions of a measure's module that are no step of its rule."""
_ALIKE = ("death", "frailty", "statuses")
"""Parameters that an edition gives to most of its measures alike."""

INTRODUCTION = """\
# Measures

Made by `python -m streams.measures_page` from the measures themselves; do not edit it here.

What each measure asks, step by step, and what the editions of the project set. A rule is one pure function in `state/measures`; all that
varies by year, program or contract is in an edition file under `state/data/editions`, where every value has its source beside it. Which
codes play which role is said by [value sets](value_sets.md); weights, reference rates and prices are [tables](tables.md) that you bring;
how practices get the credit is part of [attribution](attribution.md); what was decided for one member, and why, tells
[`explain --measure`](explain.md).

In sources, `measures.md N` is section N of the specification that the rules were written from, not of this page; `... CQL` is a published
library of the eCQMs. Evidence: `[BK]` is background knowledge, `[check]` was seen in secondary material only; both are to be checked
against a licensed specification. Every date of a rule is an offset from the first or last day of the period, so that a period may be any
twelve months.

Results of the program's editions are labelled *adjusted, uncertified, unaudited* wherever they are shown. They are no HEDIS rates.

Measures that the program calls equity sensitive (QTI) come first, here and wherever rates are printed; there a `*` marks them.

## Rates and strata

`rates.csv` has a line for each rate of a practice and payer, and below it the same rate in each stratum: `band:` ages that the edition
sets, `race:`, `ethnicity:` and `language:` as the plan's enrollment says it, in small letters. Who counts in a rate counts once in each of
the three: as `unknown` where the plan says nothing, or says that it does not know (unknown, declined, asked but unknown and the like). A
rate with no stratum tells in its note how complete that is: `known: race 92 %, ethnicity 40 %, language 0 %` is the share of the members
in the rate's denominator, after exclusions, of whom the plan has said it, rounded down, so that 100 % is everybody. Where little is known,
differences between strata say more about the data than about care. Strata are reported and never paid on.

Patient surveys stand below all rates, as they were imported: [CAHPS](#cahps).
"""


def as_markdown() -> str:
    """The whole page."""
    editions = [built_in(path.stem) for path in sorted(FOLDER.glob("*.toml"))]
    parts = [
        INTRODUCTION,
        *_editions(editions),
        *(line for name in in_order(MEASURES) for line in _measure(name, editions)),
        "## CAHPS\n",
        _paragraphs(cahps),
        "## Steps that measures share\n",
        *(line for module in SHARED for line in (f"### {_title(module)}\n", _paragraphs(module), *_steps(module))),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _editions(editions: list[Edition]) -> Iterator[str]:
    yield "## Editions\n"
    yield "| edition | form | label | measures |"
    yield "|---|---|---|---|"
    for one in editions:
        measures = ", ".join(f"[{name}](#{name.lower()})" for name in in_order(one.parameters))
        yield f"| [`{one.name}`](../state/data/editions/{one.name}.toml) | {one.form} | {one.label} | {measures} |"
    yield "\nWhat an edition gives to all its measures, unless a measure says otherwise:\n"
    yield from _table({one.name: _flat(_alike(one)) for one in editions})
    yield ""


def _measure(name: str, editions: list[Edition]) -> Iterator[str]:
    """One measure: what it asks, its rates, its steps, what each edition sets, and the value sets it needs."""
    measure, having = MEASURES[name], [one for one in editions if name in one.parameters]
    yield f"## {name}\n\n**{measure.title}**\n"
    if name in equity_sensitive():
        yield "Equity sensitive: the program reports it first, by race, ethnicity and language (QTI).\n"
    for module in RULES[name]:
        yield _paragraphs(module)
    yield from _by_edition("Rates", {one.name: measure.rates(one.parameters[name]) for one in having})
    yield "\n### " + f"{name}: steps\n"
    for module in RULES[name]:
        yield from _steps(module)
    yield f"### {name}: what the editions set\n"
    for module in RULES[name]:
        for kind in _parameter_types(module):
            yield f"- `{kind.__name__}`: {_joined(kind)}"
    yield ""
    yield from _table({one.name: _flat(_own(one, name)) for one in having})
    yield f"\n### {name}: value sets\n"
    yield from _by_edition("Needed", {one.name: tuple(sorted(one.value_sets(name))) for one in having})
    optional = {one.name: _optional(one, name) for one in having}
    if any(optional.values()):
        yield from _by_edition("Used where they are loaded", optional)
    yield ""


def _optional(edition: Edition, measure: str) -> tuple[str, ...]:
    return tuple(sorted({name for role in edition.roles(measure) for name in edition.optional.get(role, ())}))


def _by_edition(what: str, values: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """A line for each group of editions that say the same."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for edition, names in values.items():
        groups.setdefault(names, []).append(edition)
    for names, of in groups.items():
        shown = ", ".join(f"`{name}`" for name in names) or "none"
        yield f"- {what} ({', '.join(of)}): {shown}"


def _alike(edition: Edition) -> dict[str, Any]:
    """What most measures of an edition are told of what several have."""
    found: dict[str, Any] = {}
    for key in _ALIKE:
        values = [
            getattr(parameters, key)
            for parameters in edition.parameters.values()
            if key in parameters.__struct_fields__
        ]
        if values:
            found[key] = max(values, key=values.count)
    return found


def _own(edition: Edition, measure: str) -> dict[str, Any]:
    """What an edition says of a measure alone."""
    parameters, alike = edition.parameters[measure], _alike(edition)
    fields = {name: getattr(parameters, name) for name in parameters.__struct_fields__ if name != "tables"}
    return {name: value for name, value in fields.items() if name not in alike or alike[name] != value}


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Keys with dots and values as they stand in an edition file; empty ones are left out."""
    found: dict[str, str] = {}
    for name, one in value.items():
        key, plain = f"{before}{name}", msgspec.to_builtins(one)
        if isinstance(plain, dict):
            found.update(_flat(plain, f"{key}."))
        elif plain not in (None, "", (), []):
            found[key] = _written(plain)
    return found


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "; ".join(f"{key} {_written(one)}" for key, one in value.items() if one not in (None, "", (), False))
        case list() | tuple() if value and all(isinstance(one, int) for one in value):
            return "-".join(map(str, value))
        case list() | tuple() if any(isinstance(one, dict) for one in value):
            return "<br>".join(map(_written, value))
        case list() | tuple():
            return ", ".join(map(_written, value))
    return str(value)


def _table(columns: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """A table of keys by edition; an edition that does not have a key shows a dash."""
    keys = dict.fromkeys(key for values in columns.values() for key in values)
    yield f"| key | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for key in keys:
        yield f"| `{key}` | {' | '.join(values.get(key, '-') for values in columns.values())} |"


def _title(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2].replace("_", " ").capitalize()


def _steps(module: ModuleType) -> Iterator[str]:
    """The rule's public functions in the order in which they stand, each with what it answers and its source."""
    found = [
        one
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if one.__module__ == module.__name__ and not name.startswith("_") and name not in _FRAME
    ]
    for one in sorted(found, key=lambda function: function.__code__.co_firstlineno):
        yield f"- `{one.__name__}`: {_joined(one)}"
    yield ""


def _parameter_types(module: ModuleType) -> list[type[Any]]:
    """The types of what an edition may write, in the order in which they stand."""
    found = [
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if one.__module__ == module.__name__
        and issubclass(one, msgspec.Struct)
        and one.__struct_config__.forbid_unknown_fields
    ]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def _paragraphs(of: Any) -> str:
    """A docstring as paragraphs of one line each."""
    text = inspect.getdoc(of) or ""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text)) + "\n"


def _joined(of: Any) -> str:
    return " ".join((inspect.getdoc(of) or "").split())


if __name__ == "__main__":
    print(as_markdown(), end="")
