"""Shapes, checks and averages that every other module uses (floor 0)."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import logsumexp
from jaxtyping import ArrayLike, Float, Real

LogLik = Float[jax.Array | np.ndarray, "draws n"]
LogWeights = Real[jax.Array | np.ndarray, " draws"]
Pointwise = Float[jax.Array | np.ndarray, " n"]
Beta = Real[ArrayLike, ""]
PART = 2**23  # entries of a large matrix that are looked at together: 64 MB in float64


class SltWarning(UserWarning):
    """A result that is returned, but that should not be trusted without a second look."""


class MeanSE(NamedTuple):
    """A mean and its standard error; printed to two significant digits of the error, four decimals at least."""

    mean: float
    se: float

    def __str__(self) -> str:
        digits = 4 if self.se <= 0 else min(max(4, 1 - int(np.floor(np.log10(self.se)))), 15)
        return f"{self.mean:.{digits}f} ± {self.se:.{digits}f}"


def mean_se(terms: Any) -> MeanSE:
    r"""Mean of $n$ terms and the standard error of that mean.

    $$\bar t = \frac1n \sum_i t_i, \qquad
    \mathrm{se} = \sqrt{\frac{1}{n(n-1)} \sum_i (t_i - \bar t)^2}$$

    **Arguments:** `terms`: shape `(n,)`, independent: the terms of a loss (one per observation), or one figure
    per data set.
    **Returns:** `MeanSE(mean, se)`, two floats in the unit of the terms; `ddof=1`.
    **Raises:** `ValueError` if `terms` is not 1-D, has fewer than two entries or is not finite, and under `jit`.
    **Source:** the central limit theorem.

    >>> mean_se(np.array([1.0, 2.0, 3.0, 4.0]))
    MeanSE(mean=2.5, se=0.6454972243679028)
    """
    if is_tracer(terms):
        raise ValueError("mean_se looks at the values: it runs outside jit and vmap. Return the terms from there.")
    t = np.asarray(terms, dtype=np.float64)
    if t.ndim != 1 or t.size < 2:
        raise ValueError(
            f"mean_se wants at least two terms in a 1-D array; got shape {t.shape}. "
            "A standard error needs a spread: pass the (n,) terms of a loss, not their mean."
        )
    if not np.isfinite(t).all():
        raise ValueError(f"mean_se wants finite terms; {_where(~np.isfinite(t))} not finite. Look there first.")
    return MeanSE(float(t.mean()), float(t.std(ddof=1) / np.sqrt(t.size)))


def log_mean_exp(a: Any, *, axis: int = 0, log_weights: Any = None) -> Any:
    r"""Logarithm of a (weighted) mean of exponentials, without overflow.

    $$\log \sum_s \omega_s e^{a_s}, \qquad \omega_s = \frac{e^{\ell_s}}{\sum_t e^{\ell_t}}$$

    **Arguments:** `a`: any shape; integers count as floats. `axis`: the axis that is averaged. `log_weights`: $\ell$,
    one per entry of that axis, up to a common constant; `None` means equal weights.
    **Returns:** the shape of `a` without `axis`; NumPy in the precision of `a` unless `a` is a JAX array.
    **Raises:** `ValueError` if `a` has no such axis or nothing on it, if the weights do not fit it, or if they are NaN,
    `+inf` or all `-inf`. It runs inside `jit`, where values are not looked at.
    **Source:** elementary.

    >>> float(log_mean_exp([1000, 1000]))
    1000.0
    """
    a = _floating(a)
    size = a.shape[np.lib.array_utils.normalize_axis_index(axis, a.ndim)]
    if size == 0:
        raise ValueError(f"log_mean_exp has nothing to average: shape {a.shape}, axis {axis}.")
    mean = _in_single(partial(unchecked_log_mean_exp, axis=axis))
    return in_input_precision(mean, a, check_log_weights(log_weights, size))


def unchecked_log_mean_exp(a: Any, log_weights: Any = None, *, axis: int = 0) -> Any:
    """`log_mean_exp` of floating arrays in JAX's own precision, without checks: for use inside compiled functions."""
    if log_weights is None:
        return logsumexp(a, axis=axis) - np.log(a.shape[axis]).astype(a.dtype)
    w = log_weights.astype(jnp.promote_types(log_weights.dtype, a.dtype))
    w = w - logsumexp(w)
    shape = [1] * a.ndim
    shape[axis] = -1
    return logsumexp(a + w.astype(a.dtype).reshape(shape), axis=axis)


def is_tracer(*arrays: Any) -> bool:
    """Whether any of the arrays is being traced by `jit`, `vmap` or `grad`, so that its values cannot be looked at."""
    return any(isinstance(a, Tracer) for a in arrays)


def in_input_precision(function: Callable[..., Any], *arrays: Any) -> Any:
    """Call a JAX function in the precision of its first array: NumPy in, NumPy out, float64 kept even with x64 off.

    The arrays after the first (weights, say) follow it, whatever they are; while one of them is traced, all are JAX.
    """
    if is_tracer(*arrays) or isinstance(next((a for a in arrays if a is not None), None), jax.Array):
        return function(*(a if a is None else jnp.asarray(a) for a in arrays))
    with jax.enable_x64(True):
        out = function(*(a if a is None else jnp.asarray(a) for a in arrays))
        return jax.tree.map(np.asarray, out)


def by_columns(function: Callable[..., Any], a: Any, *others: Any) -> Any:
    """`in_input_precision`, some columns at a time where a NumPy matrix is large: no second one ever exists.

    The function has one value for each column. The last part reaches back, so that one program serves all.
    """
    function, n, width = _in_single(function), a.shape[1], max(1, PART // len(a))
    if n <= width or isinstance(a, jax.Array) or is_tracer(*others):
        return in_input_precision(function, a, *others)
    parts = []
    for lo in range(0, n, width):
        first = min(lo, n - width)
        parts.append(in_input_precision(function, a[:, first : first + width], *others)[lo - first :])
    return np.concatenate(parts)


def _in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """Half precision in float32: a sum over draws keeps few digits in float16, and overflows at 65504 draws."""

    def run(a, *others):
        return function(a, *others) if a.dtype.itemsize > 2 else function(a.astype(np.float32), *others).astype(a.dtype)

    return run


def check_beta(beta: Any) -> None:
    """Raise `ValueError` unless the inverse temperature is a finite positive number."""
    try:
        good = np.ndim(beta) == 0 and (is_tracer(beta) or bool(np.isfinite(beta) and beta > 0))
    except (TypeError, ValueError):  # no number at all, or a ragged list of them
        good = False
    if not good:
        raise ValueError(
            f"beta must be a positive number (an inverse temperature); got {beta!r}. "
            "The ordinary posterior is beta=1; the prior alone is the limit beta -> 0, which has no likelihood."
        )


def check_log_lik(log_lik: Any, *, name: str = "log_lik", finite: bool = True) -> Any:
    """The matrix `(draws, n)` as a floating array, or a `ValueError` that says what is wrong and how to mend it."""
    a = log_lik if isinstance(log_lik, jax.Array) else np.asarray(log_lik)
    if a.ndim == 3:
        raise ValueError(
            f"{name} must have shape (draws, n); got {a.shape}. "
            f"Merge chains first: {name}.reshape(-1, {name}.shape[-1])"
        )
    if a.ndim != 2:
        raise ValueError(
            f"{name} must have shape (draws, n), one row per posterior draw and one column per observation; "
            f"got shape {a.shape}. A single observation is {name}.reshape(-1, 1)."
        )
    draws, n = a.shape
    if n == 0:
        raise ValueError(f"{name} has no observations: shape {a.shape}. Pass the data that the model was fitted to.")
    if draws < 2:
        raise ValueError(
            f"{name} has {draws} draw(s): shape {a.shape}. A posterior average needs at least two draws; "
            f"if rows are observations, pass {name}.T"
        )
    if not jnp.issubdtype(a.dtype, jnp.floating):
        raise ValueError(
            f"{name} must hold floating-point logarithms of densities; got dtype {a.dtype}. Use {name}.astype(float)."
        )
    if finite and not is_tracer(a):
        values, rows = np.asarray(a), max(1, PART // n)
        if not all(np.isfinite(values[s : s + rows]).all() for s in range(0, draws, rows)):
            bad = ~np.isfinite(values)
            raise ValueError(
                f"{name} must be finite; {_where(bad)} NaN or infinite. -inf says that a draw gives an observation "
                "density zero, NaN that the model broke down there: look at those draws and observations first."
            )
    return a


def check_log_weights(log_weights: Any, draws: int) -> Any:
    """The vector `(draws,)` of log-weights, or a `ValueError`; `-inf` (weight zero) is allowed, but not everywhere."""
    if log_weights is None:
        return None
    w = _floating(log_weights)
    if w.shape != (draws,):
        raise ValueError(f"log_weights must have shape ({draws},), one per entry that is averaged; got {w.shape}.")
    if not jnp.issubdtype(w.dtype, jnp.floating):
        raise ValueError(f"log_weights must be numbers, logarithms of weights; got dtype {w.dtype}.")
    if not is_tracer(w):
        v = np.asarray(w)
        if np.isnan(v).any() or np.isposinf(v).any() or np.isneginf(v).all():
            raise ValueError(
                "log_weights must be logarithms of weights, some of them positive; got "
                f"{np.isnan(v).sum()} NaN, {np.isposinf(v).sum()} +inf and {np.isneginf(v).sum()} -inf among {draws}."
            )
    return w


def as_arrays(tree: Any) -> Any:
    """Lists of numbers and array-likes (pandas, xarray) among the arguments of a model, as NumPy arrays.

    Tuples stay, since a model may take them for shapes; so does everything that does not hold numbers.
    """
    return jax.tree.map(_as_array, tree, is_leaf=lambda a: isinstance(a, list))


def _as_array(a: Any) -> Any:
    if isinstance(a, list):
        if not _all_numbers(a):
            return [as_arrays(item) for item in a]
        try:
            return np.asarray(a)
        except ValueError as error:
            raise ValueError(
                f"a list of {len(a)} entries that differ in length is no array. Pad and mask them, or pass one flat "
                "array of values and one of group indices."
            ) from error
    if isinstance(a, np.ndarray | np.generic | jax.Array | type) or not hasattr(a, "__array__"):
        return a
    values = np.asarray(a)
    return values if values.dtype.kind in "biuf" else a


def _all_numbers(a: Any) -> bool:
    return all(map(_all_numbers, a)) if isinstance(a, list) else isinstance(a, int | float | np.number | np.bool_)


def _floating(a: Any) -> Any:
    """An array as it is, anything else as a NumPy array; integers as floats."""
    a = a if isinstance(a, jax.Array) else np.asarray(a)
    return a.astype(float) if a.dtype.kind in "biu" else a


def _where(bad: np.ndarray) -> str:
    """'3 of 40 entries (first at (0, 7))', for a message."""
    first = np.argwhere(bad)[0].tolist()
    return f"{int(bad.sum())} of {bad.size} entries (first at {tuple(first) if len(first) > 1 else first[0]}) are"
