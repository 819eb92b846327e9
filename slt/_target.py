r"""A model as log prior and log-likelihood of one flat unconstrained vector, and draws of its prior (floor 3).

$$\log \varphi(T(u)) + \log |T'(u)| \qquad\text{and}\qquad \sum_i \log p(X_i \mid T(u)), \qquad T : \mathbb{R}^d \to W$$

They are kept apart because only the likelihood is tempered, and both must be normalized, because their integral is the
free energy.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

from slt._nodes import log_prob
from slt._sites import as_jax, check_latent, check_observed, inspect, is_factor, without_support_warnings
from slt.triple import Triple, log_density

_KEPT = 16  # compiled models; a call with the same model and shapes compiles nothing


@dataclass(frozen=True, eq=False)  # equal to itself alone, so that it can be a static argument of jit
class Target:
    """Pure JAX functions of one flat vector `u` and the data; `size` is how many numbers the data are."""

    log_prior: Callable[[Any, Any], Any]
    terms: Callable[[Any, Any], Any]  # log p(X_i | w) of each observation, (n,)
    log_lik: Callable[[Any, Any], Any]  # their sum
    draw_prior: Callable[[Any, Any], Any]
    constrain: Callable[[Any, Any], Mapping[str, Any]]
    unconstrain: Callable[[Any, Any], Any]  # of one draw by name, to the vector
    dimension: int
    size: int


class Same:
    """A key for the cache: the object itself, kept alive; of a `functools.partial`, its function and its arguments."""

    def __init__(self, value: Any):
        self.value, self.known = value, (id(value),)
        if isinstance(value, partial):
            try:
                self.known = id(value.func), *map(typed, (value.args, sorted(value.keywords.items())))
                hash(self.known)
            except TypeError:  # arrays among them
                self.known = (id(value),)

    def __hash__(self) -> int:
        return hash(self.known)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.known == other.known


def typed(value: Any) -> Any:
    """A key that is equal for equal values of equal types, looking into lists, tuples and NumPy arrays."""
    if isinstance(value, list | tuple | np.ndarray):
        return type(value), *map(typed, value)
    return type(value), value


_cache: OrderedDict[Any, Target] = OrderedDict()


def target(model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Target, Any]:
    """The target of a triple or a NumPyro model, and its data: the arrays among the arguments.

    Raises `ValueError` for a prior that is not a probability distribution, and whatever else has no free energy.
    """
    leaves, tree = jax.tree.flatten(as_jax((args, dict(kwargs))))
    arrays = [isinstance(a, jax.Array) for a in leaves]
    data = [a for a, is_array in zip(leaves, arrays, strict=True) if is_array]
    fixed = [a for a, is_array in zip(leaves, arrays, strict=True) if not is_array]

    def arguments(data):
        moving, still = iter(data), iter(fixed)
        return jax.tree.unflatten(tree, [next(moving) if is_array else next(still) for is_array in arrays])

    shapes = tuple((a.shape, str(a.dtype)) for a in data)
    known = (Same(model), tree, shapes, tuple(arrays), tuple(map(_key, fixed)), jax.config.jax_enable_x64)
    if isinstance(model, Triple):
        _check_triple(model, data)
    elif known not in _cache or not all(np.isfinite(a).all() for a in data):  # else it was checked with such data
        _check_model(model, *arguments(data))
    if known not in _cache:
        build: Callable[..., Target] = _of_triple if isinstance(model, Triple) else _of_model
        try:
            found = build(model, arguments, data)
            jax.eval_shape(found.log_lik, jax.eval_shape(found.draw_prior, jax.random.key(0), data), data)
        except jax.errors.JAXTypeError:  # the model looks at the values of its data: they become constants
            return build(model, lambda _: arguments(data), data), data
        _cache[known] = found
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    return _cache[known], data


def _key(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool | None) else Same(value)


def _of_triple(triple: Triple, arguments: Callable[[Any], Any], data: Any) -> Target:
    maps = {name: biject_to(prior.support) for name, prior in triple.prior.items()}

    def draw(key, data):
        keys = jax.random.split(key, len(maps))
        return {name: maps[name].inv(p.sample(k)) for k, (name, p) in zip(keys, triple.prior.items(), strict=True)}

    def prior(u, data):
        terms = []
        for name, p in triple.prior.items():
            w = maps[name](u[name])
            terms += [jnp.sum(log_prob(p, w)), jnp.sum(maps[name].log_abs_det_jacobian(u[name], w))]
        return sum(terms)

    def constrain(u, data):
        return {name: maps[name](u[name]) for name in maps}

    def terms(u, data):
        args, _ = arguments(data)
        return log_density(triple, constrain(u, data), *args)

    def unconstrain(w, data):
        return {name: maps[name].inv(w[name]) for name in maps}

    return _flat(prior, terms, draw, (constrain, unconstrain), data)


def _of_model(model: Callable[..., Any], arguments: Callable[[Any], Any], data: Any) -> Target:
    seeded = handlers.seed(model, jax.random.key(0))  # every draw is replaced; the key is never used

    def is_data(site):
        return site["type"] == "sample" and site["is_observed"] and not is_factor(site["fn"])

    def draw(key, data):
        args, kwargs = arguments(data)
        sites = handlers.trace(handlers.seed(model, key)).get_trace(*args, **kwargs)
        latent = {k: s for k, s in sites.items() if s["type"] == "sample" and not s["is_observed"]}
        return {name: biject_to(s["fn"].support).inv(s["value"]) for name, s in latent.items()}

    def prior(u, data):
        args, kwargs = arguments(data)
        return -potential_energy(handlers.block(seeded, hide_fn=is_data), args, kwargs, u)

    def constrain(u, data):
        args, kwargs = arguments(data)
        return constrain_fn(seeded, args, kwargs, u)

    def terms(u, data):
        args, kwargs = arguments(data)
        held = handlers.substitute(seeded, data=constrain(u, data))
        found = []
        for site in handlers.trace(held).get_trace(*args, **kwargs).values():
            if is_data(site):
                masked = isinstance(site["fn"], dist.MaskedDistribution)
                of_site = site["fn"].log_prob(site["value"]) if masked else log_prob(site["fn"], site["value"])
                found.append(of_site.ravel())
        return jnp.concatenate(found)

    def unconstrain(w, data):
        args, kwargs = arguments(data)
        return unconstrain_fn(seeded, args, kwargs, w)

    return _flat(prior, terms, draw, (constrain, unconstrain), data)


def _flat(prior: Any, terms: Any, draw: Any, maps: Any, data: Any) -> Target:
    """The functions of named unconstrained arrays as functions of one vector."""
    with without_support_warnings():
        example = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(draw, jax.random.key(0), data))
    vector, unravel = ravel_pytree(example)

    def quietly(f: Callable[..., Any]) -> Callable[..., Any]:
        def run(u, data):
            with without_support_warnings():
                return f(unravel(u), data)

        return run

    by_observation = quietly(terms)
    return Target(
        quietly(prior),
        by_observation,
        lambda u, data: by_observation(u, data).sum(),
        lambda key, data: ravel_pytree(draw(key, data))[0],
        quietly(maps[0]),
        lambda w, data: ravel_pytree(maps[1]({name: w[name] for name in example}, data))[0],
        vector.size,
        sum(math.prod(a.shape) for a in data),
    )


def _check_model(model: Any, args: Any, kwargs: Any) -> None:
    sites = inspect(model, *args, **kwargs)
    if sites.factors:
        raise ValueError(
            f"the model has numpyro.factor site(s) {', '.join(map(repr, sites.factors))}: a factor is no normalized "
            "density, so the model has no free energy. Write it as a distribution: numpyro.sample(name, fn, obs=...)."
        )
    if not sites.observed:
        check_observed(sites, None)  # says that nothing is observed
    for name in sites.observed:
        check_observed(sites, name)
    check_latent(sites.latent)
    for name, site in sites.latent.items():
        scale = site.get("scale")
        scaled = scale is not None and not np.all(np.asarray(scale) == 1)
        _check_proper(name, site["fn"], scaled or isinstance(site["fn"], dist.MaskedDistribution))


def _check_triple(triple: Triple, data: Any) -> None:
    for name, prior in triple.prior.items():
        _check_proper(name, prior, isinstance(prior, dist.MaskedDistribution))
        if prior.support is not None and prior.support.is_discrete:
            raise ValueError(f"slt.free_energy needs continuous parameters; {name} is discrete. Sum it out.")
    for position, a in enumerate(data):
        bad = ~np.isfinite(np.asarray(a))
        if bad.any():
            raise ValueError(
                f"data array {position} of the triple: {int(bad.sum())} of {bad.size} entries are NaN or infinite "
                f"(first at {int(np.argmax(bad))}). Drop those observations."
            )


def _check_proper(name: str, fn: Any, weighted: bool) -> None:
    """Whether the prior is a distribution that can be drawn from: then, and only then, Z has a meaning."""
    base = fn
    while isinstance(base, dist.ExpandedDistribution | dist.MaskedDistribution | dist.Independent):
        base = base.base_dist
    improper = weighted or isinstance(base, dist.ImproperUniform)
    if not improper:
        leaves = jax.tree.leaves(fn.sample(jax.random.key(0), (64,)))
        improper = not all(np.isfinite(np.asarray(a)).all() for a in leaves)
    if improper:
        raise ValueError(
            f"the prior of {name!r} ({type(base).__name__}{', masked or scaled' if weighted else ''}) is improper: it "
            "has no total mass, and the free energy an arbitrary constant. Give it a proper prior, such as "
            "dist.Normal(0, 10). Losses and slt.nuts need none."
        )
