"""Shapes, checks and averages that every other module uses (floor 0)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Float

LogLik = Float[jax.Array | np.ndarray, "draws n"]
LogWeights = Float[jax.Array | np.ndarray, " draws"]
Pointwise = Float[jax.Array | np.ndarray, " n"]


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
    **Raises:** `ValueError` if `terms` is not 1-D, has fewer than two entries or is not finite.
    **Source:** the central limit theorem.

    >>> mean_se(np.array([1.0, 2.0, 3.0, 4.0]))
    MeanSE(mean=2.5, se=0.6454972243679028)
    """
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

    **Arguments:** `a`: any shape. `axis`: the axis that is averaged. `log_weights`: $\ell$, one per entry of that
    axis, up to a common constant; `None` means equal weights.
    **Returns:** the shape of `a` without `axis`.
    **Raises:** nothing: it runs inside `jit`.
    **Source:** elementary.

    >>> float(log_mean_exp(jnp.array([1000.0, 1000.0])))
    1000.0
    """
    if log_weights is None:
        return logsumexp(a, axis=axis) - np.log(a.shape[axis]).astype(a.dtype)
    w = log_weights - logsumexp(log_weights)
    shape = [1] * a.ndim
    shape[axis] = -1
    return logsumexp(a + w.astype(a.dtype).reshape(shape), axis=axis)


def is_tracer(*arrays: Any) -> bool:
    """Whether any of the arrays is being traced by `jit`, `vmap` or `grad`, so that its values cannot be looked at."""
    return any(isinstance(a, jax.core.Tracer) for a in arrays)


def in_input_precision(function: Callable[..., Any], *arrays: Any) -> Any:
    """Call a JAX function in the precision of its arrays: NumPy in, NumPy out, float64 kept even with x64 off."""
    if any(isinstance(a, jax.Array) for a in arrays if a is not None):
        return function(*arrays)
    with jax.enable_x64(True):
        out = function(*(a if a is None else jnp.asarray(a) for a in arrays))
        return jax.tree.map(np.asarray, out)


def check_beta(beta: Any) -> None:
    """Raise `ValueError` unless the inverse temperature is a finite positive number."""
    if is_tracer(beta):
        return
    if not (np.ndim(beta) == 0 and np.isfinite(beta) and beta > 0):
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
        bad = ~np.isfinite(np.asarray(a))
        if bad.any():
            raise ValueError(
                f"{name} must be finite; {_where(bad)} NaN or infinite. -inf says that a draw gives an observation "
                "density zero, NaN that the model broke down there: look at those draws and observations first."
            )
    return a


def check_log_weights(log_weights: Any, draws: int) -> Any:
    """The vector `(draws,)` of log-weights, or a `ValueError`; `-inf` (weight zero) is allowed, but not everywhere."""
    if log_weights is None:
        return None
    w = log_weights if isinstance(log_weights, jax.Array) else np.asarray(log_weights)
    if w.shape != (draws,):
        raise ValueError(f"log_weights must have shape ({draws},), one per draw of log_lik; got {w.shape}.")
    if not is_tracer(w):
        v = np.asarray(w)
        if np.isnan(v).any() or np.isposinf(v).any() or np.isneginf(v).all():
            raise ValueError(
                "log_weights must be logarithms of weights, some of them positive; got "
                f"{np.isnan(v).sum()} NaN, {np.isposinf(v).sum()} +inf and {np.isneginf(v).sum()} -inf among {draws}."
            )
    return w


def _where(bad: np.ndarray) -> str:
    """'3 of 40 entries (first at (0, 7))', for a message."""
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{int(bad.sum())} of {bad.size} entries (first at {first if len(first) > 1 else first[0]}) are"
