"""Money is rounded once, half up, to the cent of a statement line. Source: payment.md, first paragraph.

Until then numbers are exact: a third of a share is a `Fraction`, because a decimal cut off at some digit could turn half a cent down.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

Exact = Fraction | Decimal | int
"""A number without error: an amount, a rate, a factor before rounding."""
CENT = Decimal("0.01")
NOTHING = Decimal("0.00")


def exact(number: Exact) -> Fraction:
    """The number as a fraction: of the same value, whatever it was."""
    return Fraction(number)


def rounded(number: Exact, places: int) -> Decimal:
    """Half up to so many decimals; half of a negative goes away from zero, so that a difference and its opposite agree."""
    scaled = exact(number) * 10**places
    whole = (2 * abs(scaled) + 1) // 2
    return Decimal(whole if scaled >= 0 else -whole).scaleb(-places).quantize(Decimal(1).scaleb(-places))


def cents(number: Exact) -> Decimal:
    """Half up to cents: once per statement line."""
    return rounded(number, 2)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of rounded amounts."""
    return sum(amounts, NOTHING)


def plain(number: Exact, places: int = 6) -> Decimal:
    """A number to print: exact where `places` decimals hold it, else rounded; no trailing zeros beyond two decimals."""
    shown = rounded(number, places)
    short = shown.normalize()
    exponent = short.as_tuple().exponent
    return shown.quantize(CENT) if isinstance(exponent, int) and exponent > -2 else short


def dollars(number: Exact) -> str:
    """An amount as people read it: 51,840.00, and -12.50."""
    return f"{plain(number):,f}"


def number(value: Exact, places: int = 6) -> str:
    """A number as people read it, without zeros that say nothing: 1,200, 1.0475, 8.3333 (where four places are asked for)."""
    text = f"{rounded(value, places):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spread(amounts: tuple[Decimal, ...], limit: Decimal) -> tuple[Decimal, ...]:
    """Amounts of cents brought down to a limit in proportion, to the cent, so that they add up to it exactly.

    What rounding down leaves goes cent by cent to the largest remainders, the first on a tie. Unchanged when they do not
    exceed the limit. Amounts and limit are not negative.
    """
    whole = total(amounts)
    if whole <= limit:
        return amounts
    wanted = [exact(amount) * exact(limit) / exact(whole) * 100 for amount in amounts]
    given = [int(one // 1) for one in wanted]
    left = int(limit * 100) - sum(given)
    for place in sorted(range(len(wanted)), key=lambda place: (given[place] - wanted[place], place))[:left]:
        given[place] += 1
    return tuple(Decimal(one).scaleb(-2) for one in given)
