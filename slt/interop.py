r"""The matrix $\log p(X_i \mid w_s)$ from a NumPyro model, a triple, an ArviZ DataTree or chains of arrays (floor 2)."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer import init_to_feasible

from slt._arrays import LogLik, in_input_precision, is_tracer
from slt._arviz import from_datatree, is_datatree, to_datatree
from slt.triple import Triple, log_density

__all__ = ["from_datatree", "inspect", "log_lik", "to_datatree"]

_TILE = 2**22  # numbers that one step of log_lik may hold: 32 MB in float64


class Sites(NamedTuple):
    """What a model does when it is run once: its unobserved, observed, derived and factor sites."""

    latent: dict[str, Any]
    observed: dict[str, Any]
    derived: tuple[str, ...]
    factors: tuple[str, ...]


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

    **Arguments:** `model`: a NumPyro model, a `Triple`, an ArviZ DataTree or an array `(chains, draws, n)`. `draws`: name
    to array `(draws, ...)` or `(chains, draws, ...)`, for a model or a triple. `args`, `kwargs`: the model's arguments, the
    data among them. `site`: which observed site of a model, where there are several; a `numpyro.factor` then counts as a
    part of the prior. `var_name`: the same for a DataTree.
    **Returns:** shape `(draws, n)`, chains one after the other, nats, never tempered. An observation is one entry of the
    observed site's batch shape: make vectors one observation with a multivariate distribution or `.to_event(1)`. Entries
    masked out are no observations.
    **Raises:** `ValueError` or `TypeError` that names sites and shapes where the matrix is not defined: a
    `numpyro.factor` as likelihood, several observed sites, names in `draws` that do not fit the model, subsampled plates.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro, numpyro.distributions as dist
    >>> def model(x):
    ...     mu = numpyro.sample("mu", dist.Normal(0, 10))
    ...     numpyro.sample("x", dist.Normal(mu, 1), obs=x)
    >>> log_lik(model, {"mu": jnp.zeros((4, 100))}, jnp.array([0.0, 1.0, 2.0])).shape
    (400, 3)
    """
    if isinstance(model, Triple):
        _want_draws(draws)
        shapes = {name: p.batch_shape + p.event_shape for name, p in model.prior.items()}
        flat = _merge_chains(draws, shapes, derived=())
        size = math.prod(np.shape(args[-1])) if args else 1
        return _rows(lambda w: log_density(model, w, *args), flat, size)
    if draws is None and is_datatree(model):
        return from_datatree(model, var_name)
    if draws is None and not callable(model):
        a = model if isinstance(model, jax.Array) else np.asarray(model)
        if a.dtype == object or a.ndim not in (2, 3):
            raise TypeError(
                f"log_lik wants a NumPyro model with draws, a Triple with draws, an ArviZ DataTree, or an array "
                f"(chains, draws, n); got {type(model).__name__}{f' of shape {a.shape}' if a.dtype != object else ''}."
            )
        return a.reshape(-1, a.shape[-1])
    if not callable(model):
        raise TypeError(f"draws were given, so the first argument must be a model or a Triple; got {type(model).__name__}.")
    _want_draws(draws)
    sites = inspect(model, *args, **kwargs)
    name, keep = check_observed(sites, site)
    flat = _merge_chains(draws, {k: _shape(s) for k, s in sites.latent.items()}, sites.derived, sites.observed)

    def row(w):
        model_trace = handlers.trace(
            handlers.substitute(handlers.seed(model, jax.random.key(0)), data=w)
        ).get_trace(*args, **kwargs)
        observed = model_trace[name]
        log_prob = _unmasked(observed["fn"]).log_prob(observed["value"])
        return log_prob.ravel() if keep is None else log_prob.ravel()[keep]

    return _rows(row, flat, math.prod(np.shape(sites.observed[name]["value"])))


def inspect(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Sites:
    """Run the model once, at a feasible point that needs no draw from improper priors, and sort its sites."""
    seeded = handlers.substitute(handlers.seed(model, jax.random.key(0)), substitute_fn=init_to_feasible)
    latent, observed, derived, factors = {}, {}, [], []
    for name, site in handlers.trace(seeded).get_trace(*args, **kwargs).items():
        if site["type"] == "plate" and site["args"][1] is not None and site["args"][0] != site["args"][1]:
            size, subsample = site["args"]
            raise ValueError(
                f"plate {name!r} is subsampled: {subsample} of {size}. A posterior and its log_lik need every observation: "
                "remove subsample_size."
            )
        if site["type"] == "param":
            raise ValueError(f"{name!r} is a numpyro.param, which is optimized, not sampled. Give it a prior: numpyro.sample.")
        if site["type"] == "deterministic":
            derived.append(name)
        if site["type"] == "sample":
            if is_factor(site["fn"]):
                factors.append(name)
            else:
                (observed if site["is_observed"] else latent)[name] = site
    return Sites(latent, observed, tuple(derived), tuple(factors))


def check_observed(sites: Sites, site: str | None) -> tuple[str, np.ndarray | None]:
    """The name of the site that is the data and which entries of it count (None: all), or a `ValueError` with the fix."""
    name = _observed_site(sites, site)
    return name, _observations(sites.observed[name])


def _observed_site(sites: Sites, site: str | None) -> str:
    """The name of the one site that is the data, or a `ValueError` with the fix."""
    shapes = ", ".join(f"{name}: {_shape(s)}" for name, s in sites.observed.items()) or "none"
    example = next(iter(sites.observed), "x")
    if site is not None:
        if site not in sites.observed:
            raise ValueError(f"the model observes no site {site!r}; it observes {shapes}. Pass one of those as site=.")
        return site
    if sites.factors:
        raise ValueError(
            f"the model has numpyro.factor site(s) {', '.join(map(repr, sites.factors))}: a sum of log densities cannot be "
            "taken apart into observations. Write the likelihood as "
            'numpyro.sample("x", <distribution>, obs=x) (a density of your own is a numpyro Distribution with log_prob).'
            + (f" If the factor belongs to the prior, say which site is the data: site={example!r}." if sites.observed else "")
        )
    if not sites.observed:
        raise ValueError(
            f"the model observes nothing; its sites are {', '.join(sites.latent) or 'none'}. Pass the data: "
            'numpyro.sample("x", <distribution>, obs=x) with x not None.'
        )
    if len(sites.observed) > 1:
        raise ValueError(
            f"the model observes several sites: {shapes}. Choose what is predicted, site={example!r}; if one "
            "observation is a value of each of them (equal shapes), use one joint distribution, or add their matrices: "
            f"log_lik(..., site={example!r}) + log_lik(..., site=...)."
        )
    return example


def _observations(site: Any) -> np.ndarray | None:
    """Which entries of the flattened log density are observations (None: all), after checks of the observed site."""
    name, fn, value = site["name"], site["fn"], site["value"]
    if site.get("_control_flow_done"):
        raise ValueError(
            f"{name!r} is observed inside scan: its values depend on one another, so that p(X_i | w) is not a factor. "
            "Use the conditional densities p(x_t | past, w) as observations: build them outside scan from the data."
        )
    scale = site.get("scale")
    if scale is not None and not np.all(np.asarray(scale) == 1):
        raise ValueError(f"{name!r} stands under handlers.scale; log_lik is never tempered. Use slt.nuts(..., beta=) instead.")
    log_prob_shape = jax.eval_shape(_unmasked(fn).log_prob, value).shape
    shape = np.shape(value)[: np.ndim(value) - fn.event_dim]
    if log_prob_shape != shape:
        raise ValueError(
            f"observed site {name!r} has values of shape {np.shape(value)} and a distribution of batch shape "
            f"{fn.batch_shape}, which broadcast to {log_prob_shape}: an observation would be counted more than once. "
            "Make the parameters of the distribution and the data agree in shape."
        )
    if math.prod(shape) == 0:
        raise ValueError(f"observed site {name!r} has no observations: shape {np.shape(value)}. Pass a data set.")
    if is_tracer(value):
        return None
    mask = _mask(fn)
    keep = None if mask is None else np.flatnonzero(np.broadcast_to(np.asarray(mask), shape))
    entries = np.asarray(value).reshape(math.prod(shape), -1)
    bad = ~np.isfinite(entries if keep is None else entries[keep]).all(axis=-1)
    if bad.any():
        raise ValueError(
            f"observed site {name!r}: {int(bad.sum())} of {bad.size} observations are NaN or infinite (first at "
            f"{int(np.argmax(bad))}). Drop them, or mask them with numpyro.handlers.mask."
        )
    return keep


def _want_draws(draws: Any) -> None:
    if not isinstance(draws, Mapping) or not draws:
        raise TypeError(
            f"draws must map parameter names to arrays (draws, ...), such as posterior.draws; got {type(draws).__name__}"
            f"{' without entries' if isinstance(draws, Mapping) else ''}."
        )


def _merge_chains(draws: Any, shapes: Mapping[str, tuple[int, ...]], derived: Any, observed: Any = ()) -> dict[str, Any]:
    """Arrays `(draws, ...)`, one per latent name: derived quantities dropped, chains laid one after the other."""
    given = {name: a if isinstance(a, jax.Array) else np.asarray(a) for name, a in draws.items() if name not in derived}
    missing, extra = sorted(set(shapes) - set(given)), sorted(set(given) - set(shapes))
    if missing or extra:
        raise ValueError(
            f"draws do not fit the model: missing {missing or 'none'}, not parameters of the model {extra or 'none'}"
            f"{' (some of them observed)' if set(extra) & set(observed) else ''}. The model's parameters are {sorted(shapes)}."
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


def _rows(row: Callable[[Any], Any], draws: Mapping[str, Any], size: int) -> Any:
    """`row` of every draw in one compiled loop; tiles of draws bound the memory beside the result itself."""
    names, arrays = list(draws), list(draws.values())
    tile = max(1, min(len(arrays[0]), _TILE // max(size, 1)))

    def run(*arrays):
        w = dict(zip(names, arrays, strict=True))
        return jax.jit(lambda w: jax.lax.map(row, w, batch_size=tile))(w)

    return in_input_precision(run, *arrays)


def _shape(site: Any) -> tuple[int, ...]:
    return tuple(np.shape(site["value"]))


def is_factor(fn: Any) -> bool:
    """Whether a site's distribution is that of `numpyro.factor`."""
    while isinstance(fn, (dist.ExpandedDistribution, dist.MaskedDistribution, dist.Independent)):
        fn = fn.base_dist
    return isinstance(fn, dist.Unit)


def _unmasked(fn: Any) -> Any:
    return fn.base_dist if isinstance(fn, dist.MaskedDistribution) else fn


def _mask(fn: Any) -> Any:
    """The mask of the site's distribution, None where everything counts."""
    if not isinstance(fn, dist.MaskedDistribution) or fn._mask is True:
        return None
    return np.zeros((), bool) if fn._mask is False else jnp.asarray(fn._mask)
