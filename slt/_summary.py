r"""Everything the theory says of a fit, in one table (floor 6)."""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import numpy as np

from slt._arrays import as_arrays
from slt._arviz import LOG_LIKELIHOOD, beta_of, is_datatree, variables_by_chain
from slt._nodes import check_key
from slt._observations import observations
from slt._sites import inspect, refuse_options
from slt._table import Figure, Summary, heard, table
from slt.energy import FreeEnergy
from slt.evidence import free_energy
from slt.interop import log_lik
from slt.posterior import nuts
from slt.triple import Posterior, Triple

__all__ = ["Figure", "Summary", "summary", "summary_from"]

CHAINS = 4  # of slt.nuts
Combine = Literal["sum", "concat"] | None


def summary(
    key: jax.Array, model: Any, *args: Any, draws: int = 1000, combine: Combine = None, **kwargs: Any
) -> Summary:
    r"""All quantities of the theory for a model and its data, each with its error: it samples, and prints a table.

    NUTS runs at $\beta = 1$ for $T_n, C_n, W_n, V_n, \hat\nu$ and at $\beta = 1/\log n$ for WBIC and
    $\hat\lambda = \beta^2\, \mathbb{V}_w^\beta[n L_n(w)]$; `slt.free_energy` has $F_n$. Fits that you have already:
    `summary_from`.

    **Arguments:** `key`: a JAX key. `model`, `args`, `kwargs`: a `Triple` with its data or a NumPyro model with its
    arguments, as in `slt.nuts`. `draws`: of each of the four chains. `combine`: of a model that observes several
    variables, what one observation is, as in `slt.observations`.
    **Returns:** `Summary`.
    **Raises:** as `slt.nuts` and `slt.free_energy`; `ValueError` for fewer than three observations, and for several
    observed variables without `combine`. Warns (`SltWarning`) with every problem of the table.
    **Source:** as of the functions that it calls.

    >>> summary(0, "model", np.zeros(9))  # the key comes first; the book's page of recipes shows a table
    Traceback (most recent call last):
    TypeError: key must be one JAX key, such as jax.random.key(0); got 0.
    """
    check_key(key)
    problems: list[str] = []
    sites = _observed(model, args, kwargs, combine)

    def sampled(key, beta):
        options: dict[str, Any] = {"site": sites[0]} if sites else {}
        fit = nuts(key, model, *args, beta=beta, draws=draws, **options, **kwargs)
        if not sites:
            return fit.log_lik
        parts = {name: log_lik(model, fit.draws, *args, site=name, **kwargs) for name in sites}
        return observations(parts, combine=combine)

    keys = jax.random.split(key, 3)
    fits = {1.0: heard("beta=1", problems, lambda: sampled(keys[0], 1.0))}
    if (n := np.shape(fits[1.0])[1]) < 3:
        raise ValueError(f"WBIC and lambda need at least three observations; got {n}. slt.nuts has the others.")
    beta = float(1 / np.log(n))
    fits[beta] = heard(f"beta={beta:.3g}", problems, lambda: sampled(keys[1], beta))
    energy = heard("F", problems, lambda: free_energy(keys[2], model, *args, **kwargs))
    return table({b: (np.asarray(a), CHAINS) for b, a in fits.items()}, energy, problems)


def _observed(model: Any, args: Any, kwargs: Any, combine: Combine) -> list[str]:
    """The names of the observed sites of a model that has several and says how they go together; else empty."""
    if isinstance(model, Triple) or not callable(model):
        refuse_options("a Triple", combine=combine)
        return []
    args, kwargs = as_arrays((args, kwargs))
    found = inspect(model, *args, **kwargs).observed
    if len(found) > 1 and combine is None:
        observations({name: np.zeros((2, max(1, np.size(s["value"])))) for name, s in found.items()})  # says so
    return list(found) if combine is not None else []


def summary_from(
    fits: Any, *, chains: int = 1, combine: Combine = None, free_energy: FreeEnergy | None = None
) -> Summary:
    r"""All that can be said from fits of any sampler, each figure with its error, as a table.

    One posterior has $T_n, C_n, W_n, V_n, \hat\nu$. With one at $\beta = 1/\log n$ beside it come WBIC and
    $\hat\lambda$; with a ladder from $\beta = 0$ (the prior) to 1, such as `[*slt.energy.power_ladder(10),
    1 / np.log(n)]`, also $F_n$, by stepping stones.

    **Arguments:** `fits`: the fit at $\beta = 1$, or inverse temperature to fit. A fit is the untempered matrix
    $\log p(X_i \mid w_s)$, shape `(draws, n)` or `(chains, draws, n)`, a `Posterior`, an ArviZ tree, or observed
    variable to matrix. `chains`: of a matrix `(draws, n)`, one after the other. `combine`: of several observed
    variables, what one observation is, as in `slt.observations`. `free_energy`: $F_n$, where you have it from
    elsewhere.
    **Returns:** `Summary`.
    **Raises:** `ValueError` without a fit at 1, for matrices on other data, for a fit that says it is at another
    inverse temperature, for weighted draws, for several observed variables without `combine`, and as the losses,
    `slt.wbic`, `slt.energy.stepping_stone`. Warns (`SltWarning`) with every problem of the table.
    **Source:** Xie, Lewis, Fan, Kuo and Chen (2011) for the stones; else as of the functions that it calls.

    >>> log_lik = np.random.default_rng(0).normal(-1, 0.1, (4, 1000, 20))
    >>> found = summary_from(log_lik)
    >>> list(found.figures), [note[:6] for note in found.notes]
    (['training', 'cv', 'waic', 'variance', 'singular_fluctuation'], ['F is m', 'WBIC a'])
    """
    several = isinstance(fits, Mapping) and not any(isinstance(name, str) for name in fits)  # no tree's groups
    by_beta = fits.items() if several else [(1.0 if (own := _own_beta(fits)) is None else own, fits)]
    found = {float(b): _matrix(float(b), fit, chains, combine) for b, fit in by_beta}
    return table(dict(sorted(found.items())), free_energy, [])


def _own_beta(fit: Any) -> float | None:
    """The inverse temperature that `slt.nuts` and `slt.to_datatree` write down in a fit."""
    return fit.beta if isinstance(fit, Posterior) else beta_of(fit)


def _matrix(beta: float, fit: Any, chains: int, combine: Combine) -> tuple[np.ndarray, int]:
    """Any fit as its matrix `(draws, n)`, and its number of chains."""
    own = _own_beta(fit)
    if own is not None and not np.isclose(own, beta, rtol=1e-4):
        raise ValueError(f"a fit is given for beta={beta:.6g}, but says that it is at beta={own:.6g}: which is right?")
    if isinstance(fit, Posterior):
        if fit.log_weights is not None:
            raise ValueError("a summary is of equally weighted draws; this posterior has log_weights. Use the losses.")
        fit, chains = fit.log_lik, getattr(fit.diagnostics, "chains", chains)
    tree = is_datatree(fit) and (not isinstance(fit, Mapping) or LOG_LIKELIHOOD in fit or "posterior" in fit)
    parts = variables_by_chain(fit) if tree else dict(fit) if isinstance(fit, Mapping) else {"log_lik": fit}
    for name, a in parts.items():
        if np.ndim(a) == 3:
            chains, parts[name] = len(a), np.reshape(a, (-1, np.shape(a)[-1]))
    return np.asarray(observations(parts, combine=combine)), chains
