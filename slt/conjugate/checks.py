r"""What may be asked of a conjugate model: checks of data, hyperparameters and results, each with its fix.

Shapes are checked always, values only where they can be looked at: not under `jit` or `vmap`.
"""

from functools import partial
from math import inf
from typing import Any

import jax
import numpy as np

from slt._arrays import in_input_precision, is_tracer
from slt.conjugate import formulas


def check_data(family: Any, data: tuple[Any, ...], *, support: bool = True) -> tuple[Any, ...]:
    """The data as arrays, or a `ValueError`: of the family's shapes, finite and, if asked, inside its support."""
    arrays = tuple(a if isinstance(a, jax.Array) else np.asarray(a) for a in data)
    names = ["x", "y"] if len(family.data_shapes) == 2 else ["x"]
    shapes = [tuple(a.shape) for a in arrays]
    sizes = {shape[:1] for shape in shapes}
    if [shape[1:] for shape in shapes] != list(family.data_shapes) or len(sizes) != 1 or sizes <= {(), (0,)}:
        wanted = " and ".join(
            f"{name} of shape ({', '.join(['n', *map(str, event)])}{',' if not event else ''})"
            for name, event in zip(names, family.data_shapes, strict=True)
        )
        raise ValueError(
            f"data must be {wanted}, with a common first axis of at least one observation; got shapes {shapes}."
            + _reshape(arrays, names, family.data_shapes)
        )
    for name, a in zip(names, arrays, strict=True):
        if not is_tracer(a):
            _check_entries(name, np.asarray(a), ~np.isfinite(np.asarray(a)), "not finite", "finite numbers")
    if support and not is_tracer(*arrays):
        with jax.ensure_compile_time_eval():
            base = np.asarray(in_input_precision(partial(formulas.log_base, family.log_base), *arrays))
        _check_entries(names[-1], np.asarray(arrays[-1]), base == -inf, "outside the model's support", family.support)
    return arrays


def _reshape(arrays: tuple[Any, ...], names: list[str], wanted: Any) -> str:
    """How to mend a shape, where one axis of length one is all that is wrong."""
    for name, a, event in zip(names, arrays, wanted, strict=False):
        if a.ndim == 2 and a.shape[1] == 1 and event == ():
            return f" Pass {name}[:, 0]."
        if a.ndim == 1 and event == (1,):
            return f" Pass {name}[:, None]."
    return " One row is one observation." if len(arrays) == len(wanted) else f" Pass {', '.join(names)}."


def _check_entries(name: str, a: np.ndarray, bad: np.ndarray, what: str, wanted: str) -> None:
    if bad.any():
        first = tuple(np.argwhere(bad)[0].tolist())
        raise ValueError(
            f"{name}[{', '.join(map(str, first))}] = {a[first]} is {what} ({int(bad.sum())} of {bad.size} are); "
            f"wanted {wanted}. Correct the data, or leave such observations out."
        )


def check_proper(family: Any, eta: Any, what: str, fix: str = "Use a proper prior or more data.") -> None:
    """Raise `ValueError` unless the normalizer is finite there; a concrete eta is checked even inside jit."""
    if is_tracer(eta):
        return
    with jax.ensure_compile_time_eval():
        finite = bool(in_input_precision(partial(formulas.is_proper, family.log_normalizer), eta))
    if not finite:
        rounding = getattr(eta, "dtype", None) == np.float32
        raise ValueError(
            f"{what} is improper: its normalizer z(eta) is not finite at eta = {np.asarray(eta)}. {fix}"
            + " Or it is rounding in float32: pass float64 NumPy data." * rounding
        )


def check_terms(terms: Any, what: str) -> Any:
    """The terms of a loss, or a `ValueError` if some are not finite."""
    if not is_tracer(terms) and not np.isfinite(np.asarray(terms)).all():
        bad = ~np.isfinite(np.atleast_1d(np.asarray(terms)))
        raise ValueError(
            f"{what} is not finite for {int(bad.sum())} of {bad.size} observations (first: {int(np.argmax(bad))}): the "
            f"posterior is too close to improper for {terms.dtype}. Use a proper prior, more data or float64."
        )
    return terms


def check_parameters(least: float, *, closed: bool = False, infinite: bool = False, **values: Any) -> None:
    """Raise `ValueError` unless all are above `least` (or at it, if `closed`) and finite (or infinity, if allowed)."""
    for name, value in values.items():
        v = np.asarray(value)
        if not np.all((v >= least) | np.isnan(v) if closed else ~(v <= least)):
            raise ValueError(f"{name} must {'not be negative' if closed else 'be positive'}; got {value!r}.")
        if not np.all(np.isfinite(v) | (infinite & (v == inf))):
            raise ValueError(f"{name} must be finite; got {value!r}.")
