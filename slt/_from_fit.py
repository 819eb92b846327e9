r"""The free energy from draws that somebody already has: bridge sampling, each half of them in turn (floor 5)."""

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt import _arviz, _smc
from slt._arrays import MeanSE, SltWarning
from slt._target import target
from slt.energy import FreeEnergy, bridge_sampling
from slt.posterior import diagnose
from slt.triple import Posterior

LEAST = 50  # draws of a chain, half of which fit the proposal
AGREE = 4.0  # standard errors between the estimates of the two halves, beyond which the chains are not believed


def free_energy_from(
    key: jax.Array, model: Any, posterior: Any, *args: Any, chains: int = 1, **kwargs: Any
) -> FreeEnergy:
    r"""Free energy of a model from a fit of it, at the inverse temperature of the fit, by bridge sampling.

    $$F_n(\beta) = -\frac1\beta \log \frac{\mathbb{E}_g[h\,r]}{\mathbb{E}_w[h]}, \qquad
    r(u) = \frac{\varphi(u) \prod_i p(X_i \mid u)^\beta}{g(u)}$$

    in unconstrained coordinates $u$, with the Jacobian in $\varphi(u)$. A normal $g$ is fitted to the first half of
    each chain and met with the second, then the other way round; the two estimates must agree. It is right where the
    chains are: a mode that they never visited is missing from both.

    **Arguments:** `key`: a JAX key. `model`: the `Triple` or NumPyro model that was fitted. `posterior`: its draws, by
    any sampler: a `Posterior`, an ArviZ tree, or name to array `(draws, ...)` or `(chains, draws, ...)` at
    $\beta = 1$, with an entry for every parameter. `args`, `kwargs`: the data, as given to the sampler. `chains`: of
    arrays `(draws, ...)`, one after the other.
    **Returns:** `FreeEnergy`: the mean of the two estimates; its error counts the autocorrelation of the chains.
    `diagnostics` has `estimates` of the `first` and `second` half, `agreement` in standard errors, and `overlap`.
    **Raises:** `ValueError` for weighted draws, too few draws, a missing parameter, and what `slt.free_energy` refuses;
    `TypeError` for a `posterior` that is none of these.
    Warns (`SltWarning`) if the halves disagree, the proposal misses the draws, or the chains have not converged.
    **Source:** Meng and Wong (1996); Fruehwirth-Schnatter (2004) for the error.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 2)})
    >>> x = jnp.array([-1.0, 0.0, 0.5, 1.5, 2.0])  # its posterior is normal, with precision 5.25
    >>> mu = 3 / 5.25 + jax.random.normal(jax.random.key(0), (4, 250)) / 5.25**0.5
    >>> found = free_energy_from(jax.random.key(1), triple, {"mu": mu}, x)
    >>> bool(abs(found.value - 9.00981) < 4 * found.se), found.ok
    (True, True)
    """
    density, data = target(model, args, kwargs)
    example = jax.eval_shape(lambda: density.constrain(jnp.zeros(density.dimension), data))
    posterior, chains = _read(posterior, chains, example)
    u = _vectors(density, data, posterior, chains, example)
    per_chain = u.reshape(chains, -1, density.dimension)
    middle = per_chain.shape[1] // 2
    halves = per_chain[:, :middle], per_chain[:, middle : 2 * middle]
    found = []
    for k, fitted, met in zip(jax.random.split(key), halves, halves[::-1], strict=True):
        at_draws, at_proposals = _ratios(k, density, data, jnp.asarray(posterior.beta, float), fitted, met)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SltWarning)  # its problems travel in the record
            found.append(bridge_sampling(at_draws, at_proposals, beta=posterior.beta, chains=chains))
    second, first = found  # by the half that was met
    gap = abs(first.value - second.value) / max(np.hypot(first.se, second.se), 1e-300)
    problems = list(dict.fromkeys([*first.problems, *second.problems]))
    if gap > AGREE:
        problems.append(
            f"the first half of the chains gives {first.value:.3f} ± {first.se:.3f} and the second {second.value:.3f} "
            f"± {second.se:.3f}, {gap:.1f} standard errors apart: they are not draws of one posterior. Run them longer."
        )
    if hasattr(posterior.diagnostics, "problems"):
        problems += posterior.diagnostics.problems()
    diagnostics = {
        "estimates": {"first": MeanSE(first.value, first.se), "second": MeanSE(second.value, second.se)},
        "agreement": float(gap),
        "overlap": min(first.diagnostics["overlap"], second.diagnostics["overlap"]),
    }
    value, se = (first.value + second.value) / 2, float(np.hypot(first.se, second.se) / 2)
    if problems:
        warnings.warn(" Also, ".join(problems), SltWarning, stacklevel=2)
    return FreeEnergy(value, se, float(posterior.beta), "bridge sampling of a fit", tuple(problems), diagnostics)


def _read(fit: Any, chains: int, example: Mapping[str, Any]) -> tuple[Posterior, int]:
    """Any fit as a `Posterior` of the model's parameters, chain after chain, and how many chains there are."""
    if isinstance(fit, Posterior):
        _check_names(fit.draws, example)
        return fit, getattr(fit.diagnostics, "chains", chains)
    if not _arviz.is_datatree(fit):
        raise TypeError(
            "the draws must be a Posterior, an ArviZ tree, or name to array (draws, ...) or (chains, draws, ...); got "
            f"{type(fit).__name__}."
        )
    tree = _arviz.group_of(fit, "posterior") is not None
    given = _arviz.draws_by_chain(fit) if tree else fit
    _check_names(given, example)
    by_chain = {name: np.asarray(given[name]) for name in example}
    for name, a in by_chain.items():
        own = example[name].shape
        if a.ndim - len(own) not in (1, 2) or a.shape[a.ndim - len(own) :] != own:
            raise ValueError(
                f"draws of {name} must have shape {('draws', *own)} or {('chains', 'draws', *own)}; got {a.shape}."
            )
        if a.ndim == len(own) + 1:
            if chains < 1 or len(a) % chains:
                raise ValueError(f"chains must divide the {len(a)} draws of {name}; got chains={chains!r}.")
            by_chain[name] = a.reshape(chains, -1, *a.shape[1:])
    if len({a.shape[:2] for a in by_chain.values()}) != 1:
        shapes = ", ".join(f"{name}: {np.shape(given[name])}" for name in example)
        raise ValueError(f"the parameters must have equally many chains and draws; got {shapes}.")
    flat = {name: a.reshape(-1, *a.shape[2:]) for name, a in by_chain.items()}
    _check_enough(*next(iter(by_chain.values())).shape[:2])
    beta = _arviz.beta_of(fit) if tree else None
    fit = Posterior(flat, None, 1.0 if beta is None else float(beta), diagnostics=diagnose(by_chain))
    return fit, fit.diagnostics.chains


def _check_names(draws: Mapping[str, Any], example: Mapping[str, Any]) -> None:
    if missing := sorted(set(example) - set(draws)):
        raise ValueError(f"the posterior lacks draws of {', '.join(missing)}; it has {', '.join(map(str, draws))}.")


def _check_enough(chains: int, draws: float) -> None:
    if draws < LEAST or draws % 1:
        raise ValueError(
            f"{LEAST} draws of each of {chains} chain(s) are wanted; got {chains * draws:.0f} in all. Draw longer."
        )


def _vectors(density: Any, data: Any, posterior: Posterior, chains: int, example: Mapping[str, Any]) -> Any:
    if posterior.log_weights is not None:
        raise ValueError("the posterior's draws are weighted nodes: take its log_evidence, or unweighted draws.")
    draws = {name: jnp.asarray(posterior.draws[name]) for name in example}
    for name, a in draws.items():
        if a.shape[1:] != example[name].shape:
            raise ValueError(f"draws of {name} must have shape {('draws', *example[name].shape)}; got {a.shape}.")
    u = jax.vmap(lambda w: density.unconstrain(w, data))(draws)
    _check_enough(chains, len(u) / chains)
    bad = ~np.isfinite(np.asarray(u)).all(1)
    if bad.any():
        raise ValueError(f"{int(bad.sum())} of {len(u)} draws lie outside the support (first: {int(bad.argmax())}).")
    return u


@partial(jax.jit, static_argnames="density")
def _ratios(key: Any, density: Any, data: Any, beta: Any, fitted: Any, met: Any) -> Any:
    """Log ratios of the joint density to a normal fitted to `fitted`: at the draws `met`, and at its own."""
    d = density.dimension
    fitted, met = fitted.reshape(-1, d), met.reshape(-1, d)
    mean, chol = fitted.mean(0), _smc.cholesky(fitted, jnp.eye(d, dtype=fitted.dtype))
    z = jax.random.normal(key, (2 * len(met), d), met.dtype)

    def ratio(u, z):
        log_q = -0.5 * (z**2).sum(1) - jnp.log(jnp.diagonal(chol)).sum() - 0.5 * d * jnp.log(2 * jnp.pi)
        log_prior, log_lik = _smc.evaluate(density, data, u, values=True)
        r = log_prior + beta * log_lik - log_q
        return jnp.where(jnp.isnan(r), -jnp.inf, r)

    at_draws = jax.scipy.linalg.solve_triangular(chol, (met - mean).T, lower=True).T
    return ratio(met, at_draws), ratio(mean + z @ chol.T, z)
