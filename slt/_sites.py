"""The sites of a NumPyro model that is run once, and why some have no matrix of log-likelihoods (floor 2)."""

import math
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer import init_to_feasible
from numpyro.primitives import Messenger

from slt._arrays import as_arrays, is_tracer


class Sites(NamedTuple):
    """What a model does when it is run once: its unobserved, observed, derived and factor sites."""

    latent: dict[str, Any]
    observed: dict[str, Any]
    derived: tuple[str, ...]
    factors: tuple[str, ...]


def inspect(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Sites:
    """Run the model once, at a feasible point that needs no draw from improper priors, and sort its sites."""
    seeded = handlers.substitute(handlers.seed(model, jax.random.key(0)), substitute_fn=init_to_feasible)
    latent, observed, derived, factors = {}, {}, [], []
    with without_support_warnings():
        try:
            model_trace = handlers.trace(seeded).get_trace(*args, **kwargs)
        except AssertionError as error:
            if "size of plate" in str(error):
                raise ValueError("the model has a plate without entries: no observations. Pass a data set.") from error
            raise
    for name, site in model_trace.items():
        if site["type"] == "plate" and site["args"][1] is not None and site["args"][0] != site["args"][1]:
            size, subsample = site["args"]
            raise ValueError(
                f"plate {name!r} is subsampled: {subsample} of {size}. A posterior and its log_lik need every "
                "observation: remove subsample_size."
            )
        if site["type"] == "param":
            raise ValueError(
                f"{name!r} is a numpyro.param, which is optimized, not sampled. Give it a prior: numpyro.sample."
            )
        if site["type"] == "deterministic":
            derived.append(name)
        if site["type"] == "sample":
            if is_factor(site["fn"]):
                factors.append(name)
            else:
                (observed if site["is_observed"] else latent)[name] = site
    return Sites(latent, observed, tuple(derived), tuple(factors))


def check_observed(sites: Sites, site: str | None) -> tuple[str, np.ndarray | None]:
    """The site that is the data and which of its entries count (None: all), or a `ValueError` with the fix."""
    name = _observed_site(sites, site)
    for other, observed in sites.observed.items():
        scale = observed.get("scale")
        if scale is not None and (is_tracer(scale) or not np.all(np.asarray(scale) == 1)):
            raise ValueError(
                f"{other!r} stands under handlers.scale; log_lik is never tempered. Remove the scale and pass beta=."
            )
    return name, _observations(sites.observed[name])


def _observed_site(sites: Sites, site: str | None) -> str:
    """The name of the one site that is the data, or a `ValueError` with the fix."""
    shapes = ", ".join(f"{name}: {shape_of(s)}" for name, s in sites.observed.items()) or "none"
    example = next(iter(sites.observed), "x")
    if site is not None:
        if site not in sites.observed:
            raise ValueError(f"the model observes no site {site!r}; it observes {shapes}. Pass one of those as site=.")
        return site
    if sites.factors:
        raise ValueError(
            f"the model has numpyro.factor site(s) {', '.join(map(repr, sites.factors))}: a sum of log densities "
            "cannot be taken apart into observations. Write the likelihood as "
            'numpyro.sample("x", <distribution>, obs=x) (a density of your own is a Distribution with log_prob).'
            + (
                f" If the factor belongs to the prior, say which site is the data: site={example!r}."
                if sites.observed
                else ""
            )
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
    try:
        log_prob_shape = jax.eval_shape(unmasked(fn).log_prob, value).shape
    except (TypeError, ValueError) as error:
        if "incompatible shapes" not in str(error).lower():
            raise
        raise ValueError(
            f"observed site {name!r} has values of shape {np.shape(value)} and a distribution of batch shape "
            f"{fn.batch_shape}, which do not fit: {error} Arrays about the same observations need the same length."
        ) from error
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


def check_latent(latent: Mapping[str, Any]) -> None:
    if not latent:
        raise ValueError(
            "the model samples nothing that is not observed, so there is no posterior. Give each parameter a prior: "
            'numpyro.sample("mu", dist.Normal(0, 10)), without obs=.'
        )
    discrete = [name for name, site in latent.items() if site["fn"].support.is_discrete]
    if discrete:
        raise ValueError(
            f"NUTS needs continuous parameters; {', '.join(discrete)} {'is' if len(discrete) == 1 else 'are'} "
            "discrete. Sum them out: a mixture is dist.MixtureSameFamily(dist.Categorical(weights), components)."
        )


def is_factor(fn: Any) -> bool:
    """Whether a site's distribution is that of `numpyro.factor`."""
    while isinstance(fn, (dist.ExpandedDistribution, dist.MaskedDistribution, dist.Independent)):
        fn = fn.base_dist
    return isinstance(fn, dist.Unit)


class Temper(Messenger):
    """Raise the density of every observed site to the power beta; `handlers.scale` would take the prior along."""

    def __init__(self, fn: Callable[..., Any], beta: float):
        super().__init__(fn)
        self.beta = beta

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "sample" and msg["is_observed"] and not is_factor(msg["fn"]):
            msg["scale"] = self.beta  # check_observed has refused every other scale


def refuse_options(kind: str, /, **options: Any) -> None:
    """Raise `ValueError` for an option that would be ignored."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"{name}={value!r} has no meaning for {kind}. Leave it out: site= is for NumPyro models with several "
                "observed sites, var_name= for DataTrees, other names for the arguments of a NumPyro model."
            )


def as_jax(tree: Any) -> Any:
    """Data among the arguments of a model, as JAX arrays of the precision in force.

    JAX 0.12 keeps one device copy of a NumPy array that a compiled function closes over, whatever the precision: met
    again with x64 switched the other way, the same array is a crash.
    """
    return jax.tree.map(
        lambda a: jnp.asarray(a) if isinstance(a, np.ndarray) and a.dtype.kind in "biuf" else a, as_arrays(tree)
    )


@contextmanager
def without_support_warnings() -> Iterator[None]:
    """NumPyro warns of observations outside the support; here they end as an error, or as `-inf` in the matrix."""
    show = warnings.showwarning
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Out-of-support")
        # NumPyro also hands this warning straight to showwarning, past the filters.
        warnings.showwarning = lambda m, *rest, **more: None if "Out-of-support" in str(m) else show(m, *rest, **more)
        yield


def _restore_submodules() -> None:
    """Undo what a lazy import does to NumPyro.

    ArviZ leaves a not yet loaded `numpyro` in `sys.modules`. If a subpackage is then imported first, Python runs its
    file twice, and the second package lacks its submodules as attributes; `numpyro.factor` needs one of them.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("numpyro.") and name.count(".") == 2:
            package, _, attribute = name.rpartition(".")
            if package in sys.modules and not hasattr(sys.modules[package], attribute):
                setattr(sys.modules[package], attribute, module)


def shape_of(site: Any) -> tuple[int, ...]:
    return tuple(np.shape(site["value"]))


def unmasked(fn: Any) -> Any:
    return fn.base_dist if isinstance(fn, dist.MaskedDistribution) else fn


def _mask(fn: Any) -> Any:
    """The mask of the site's distribution, None where everything counts."""
    if not isinstance(fn, dist.MaskedDistribution) or fn._mask is True:
        return None
    return np.zeros((), bool) if fn._mask is False else jnp.asarray(fn._mask)


_restore_submodules()
