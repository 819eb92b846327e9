r"""The matrix $\log p(X_i \mid w_s)$ from a NumPyro model, a triple, an ArviZ DataTree or an array (floor 2)."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from numpyro import handlers

from slt._arrays import LogLik, as_arrays, in_input_precision
from slt._arviz import from_datatree, is_datatree
from slt._sites import (
    as_jax,
    check_observed,
    inspect,
    refuse_options,
    shape_of,
    unmasked,
    without_support_warnings,
)
from slt._work import check_fits, tile
from slt.triple import Triple, log_density

__all__ = ["log_lik"]

_TILE = 2**22  # numbers that one step of log_lik may hold: 32 MB in float64


def log_lik(
    model: Any,
    draws: Mapping[str, Any] | None = None,
    *args: Any,
    site: str | None = None,
    var_name: str | None = None,
    **kwargs: Any,
) -> LogLik:
    r"""The matrix that every loss needs, one row per draw and one column per observation.

    $$\ell_{si} = \log p(X_i \mid w_s)$$

    **Arguments:** `model`: a NumPyro model, a `Triple`, an ArviZ DataTree or an array `(chains, draws, n)`. `draws`:
    name to array `(draws, ...)` or `(chains, draws, ...)`, for a model or a triple. `args`, `kwargs`: the model's
    arguments, the data among them: arrays, pandas columns or lists of numbers, which become arrays. `site`: which
    observed site of a model, where there are several; a `numpyro.factor` then counts as a part of the prior.
    `var_name`: the same for a DataTree.
    **Returns:** shape `(draws, n)`, chains one after the other, nats, never tempered. An observation is one entry of
    the observed site's batch shape: make vectors one observation with a multivariate distribution or `.to_event(1)`.
    Entries masked out are no observations.
    **Raises:** `ValueError` or `TypeError` that names sites and shapes where the matrix is not defined: a
    `numpyro.factor` as likelihood, several observed sites, one under `handlers.scale`, names in `draws` that do not fit
    the model, subsampled plates, an option that the first argument has no use for.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro, numpyro.distributions as dist
    >>> def model(x):
    ...     mu = numpyro.sample("mu", dist.Normal(0, 10))
    ...     numpyro.sample("x", dist.Normal(mu, 1), obs=x)
    >>> log_lik(model, {"mu": np.zeros((4, 100))}, np.array([0.0, 1.0, 2.0])).shape
    (400, 3)
    """
    args, kwargs = as_arrays((args, kwargs))
    if isinstance(model, Triple):
        refuse_options("a Triple", site=site, var_name=var_name, **kwargs)
        _want_draws(draws)
        shapes = {name: p.batch_shape + p.event_shape for name, p in model.prior.items()}
        flat = _merge_chains(draws, shapes, derived=())
        size = math.prod(np.shape(args[-1])) if args else 1
        return _rows(lambda w, args, _: log_density(model, w, *args), flat, size, args)
    if draws is None and is_datatree(model):
        refuse_options("a DataTree", site=site, **kwargs)
        return from_datatree(model, var_name)
    if draws is None and not callable(model):
        refuse_options("an array", site=site, var_name=var_name, **kwargs)
        a = model if isinstance(model, jax.Array) else np.asarray(model)
        if a.dtype == object or a.ndim not in (2, 3):
            raise TypeError(
                f"log_lik wants a NumPyro model with draws, a Triple with draws, an ArviZ DataTree, or an array "
                f"(chains, draws, n); got {type(model).__name__}{f' of shape {a.shape}' if a.dtype != object else ''}."
            )
        return a.reshape(-1, a.shape[-1])
    if not callable(model):
        raise TypeError(
            f"draws were given, so the first argument must be a model or a Triple; got {type(model).__name__}."
        )
    refuse_options("a NumPyro model", var_name=var_name)
    _want_draws(draws)
    sites = inspect(model, *args, **kwargs)
    name, keep = check_observed(sites, site)
    flat = _merge_chains(draws, {k: shape_of(s) for k, s in sites.latent.items()}, sites.derived, sites.observed)

    def row(w, args, kwargs):
        substituted = handlers.substitute(handlers.seed(model, jax.random.key(0)), data=w)
        observed = handlers.trace(substituted).get_trace(*args, **kwargs)[name]
        log_prob = unmasked(observed["fn"]).log_prob(observed["value"])
        return log_prob.ravel() if keep is None else log_prob.ravel()[keep]

    return _rows(row, flat, math.prod(np.shape(sites.observed[name]["value"])), args, kwargs)


def _want_draws(draws: Any) -> None:
    if not isinstance(draws, Mapping) or not draws:
        raise TypeError(
            f"draws must map parameter names to arrays (draws, ...), such as posterior.draws; got "
            f"{type(draws).__name__}{' without entries' if isinstance(draws, Mapping) else ''}."
        )


def _merge_chains(
    draws: Any, shapes: Mapping[str, tuple[int, ...]], derived: Any, observed: Any = ()
) -> dict[str, Any]:
    """Arrays `(draws, ...)`, one per latent name: derived quantities dropped, chains laid one after the other."""
    given = {name: a if isinstance(a, jax.Array) else np.asarray(a) for name, a in draws.items() if name not in derived}
    missing, extra = sorted(set(shapes) - set(given)), sorted(set(given) - set(shapes))
    if missing or extra:
        raise ValueError(
            f"draws do not fit the model: missing {missing or 'none'}, not parameters of the model {extra or 'none'}"
            f"{' (some of them observed)' if set(extra) & set(observed) else ''}. The model's parameters are "
            f"{sorted(shapes)}."
        )
    lead = {name: a.shape[: a.ndim - len(shapes[name])] for name, a in given.items()}
    for name, a in given.items():
        if len(lead[name]) not in (1, 2) or a.shape[len(lead[name]) :] != tuple(shapes[name]):
            raise ValueError(
                f"draws[{name!r}] has shape {a.shape}; the parameter has shape {tuple(shapes[name])}, so (draws, ...) "
                "or (chains, draws, ...) in front of that is wanted."
            )
    if len(set(lead.values())) != 1:
        raise ValueError(f"draws disagree in the number of draws: {', '.join(f'{k}: {v}' for k, v in lead.items())}.")
    return {name: a.reshape(-1, *shapes[name]) for name, a in given.items()}


def _rows(row: Callable[..., Any], draws: Mapping[str, Any], size: int, args: Any, kwargs: Any = None) -> Any:
    """`row` of every draw in one compiled loop; tiles of draws bound the memory beside the result itself."""
    names, arrays = list(draws), list(draws.values())
    batch = tile(len(arrays[0]), max(1, _TILE // max(size, 1)))
    wide = not isinstance(arrays[0], jax.Array) or arrays[0].dtype.itemsize == 8
    check_fits(
        len(arrays[0]) * size * (8 if wide else 4),
        f"the matrix of {len(arrays[0])} draws and {size} observations",
        "Pass the log-likelihood as a function, tile by tile: slt.stream_criteria; or keep fewer draws.",
    )

    def run(*arrays):
        w = dict(zip(names, arrays, strict=True))
        data = as_jax((args, kwargs or {}))
        return jax.jit(lambda w: jax.lax.map(lambda w: row(w, *data), w, batch_size=batch))(w)

    with without_support_warnings():
        return in_input_precision(run, *arrays)
