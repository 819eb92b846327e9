"""Checks of the sizes and exponents that the named families take (floor 1)."""

from fractions import Fraction
from numbers import Rational, Real
from operator import index
from typing import Any


def check_size(name: str, value: Any, least: int = 1) -> int:
    """The integer that `value` is, at least `least`; a clear error otherwise."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer; got {value!r} of type {type(value).__name__}.") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}.")
    return number


def check_at_most(name: str, value: int, largest: int, reason: str) -> None:
    """An error that names the bound and the reason for it where `value` exceeds `largest`."""
    if value > largest:
        raise ValueError(f"{name} must be at most {largest}, {reason}; got {value}.")


def check_exponent(name: str, value: Any) -> Fraction:
    """The positive rational that `value` is; a float counts as the decimal that it prints."""
    exact = not isinstance(value, bool) and isinstance(value, Rational)
    try:
        number = Fraction(value) if exact else Fraction(repr(float(value))) if isinstance(value, Real) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool) or number <= 0:
        raise ValueError(f"{name} must be a positive number, best an int or a Fraction; got {value!r}.")
    return number
