"""Exercises of a chapter that only the tests know."""

import numpy as np
import sympy


def double(x: np.ndarray) -> np.ndarray:
    """98.1 Twice `x`, shape `(n,)`."""
    raise NotImplementedError


def tenth() -> float:
    """98.2 A tenth."""
    raise NotImplementedError


def square() -> sympy.Expr:
    """98.10 The square of x + 1."""
    raise NotImplementedError
