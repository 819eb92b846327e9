r"""The free energy from draws that somebody already has: bridge sampling, each half of them in turn (floor 4)."""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt import _smc
from slt._arrays import MeanSE, SltWarning
from slt._target import target
from slt.energy import FreeEnergy, bridge_sampling
from slt.triple import Posterior

LEAST = 50  # draws of a chain, half of which fit the proposal
AGREE = 4.0  # standard errors between the estimates of the two halves, beyond which the chains are not believed


def free_energy_from(key: jax.Array, model: Any, posterior: Posterior, *args: Any, **kwargs: Any) -> FreeEnergy:
    r"""Free energy of a model from a fit of it, at the inverse temperature of the fit, by bridge sampling.

    $$F_n(\beta) = -\frac1\beta \log \frac{\mathbb{E}_g[h\,r]}{\mathbb{E}_w[h]}, \qquad
    r(u) = \frac{\varphi(u) \prod_i p(X_i \mid u)^\beta}{g(u)}$$

    in unconstrained coordinates $u$, with the Jacobian in $\varphi(u)$. A normal $g$ is fitted to the first half of
    each chain and met with the second, then the other way round; the two estimates must agree. It is right where the
    chains are: a mode that they never visited is missing from both.

    **Arguments:** `key`: a JAX key. `model`: the `Triple` or NumPyro model that was fitted. `posterior`: from
    `slt.nuts` or another sampler, chain after chain, with draws of every parameter by name. `args`, `kwargs`: the
    data, as given to the sampler.
    **Returns:** `FreeEnergy`: the mean of the two estimates; its error counts the autocorrelation of the chains.
    `diagnostics` has `estimates` of the `first` and `second` half, `agreement` in standard errors, and `overlap`.
    **Raises:** `ValueError` for weighted draws, too few draws, a missing parameter, and what `slt.free_energy` refuses.
    Warns (`SltWarning`) if the halves disagree, the proposal misses the draws, or the chains have not converged.
    **Source:** Meng and Wong (1996); Fruehwirth-Schnatter (2004) for the error.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 2)})
    >>> x = jnp.array([-1.0, 0.0, 0.5, 1.5, 2.0])  # its posterior is normal, with precision 5.25
    >>> mu = 3 / 5.25 + jax.random.normal(jax.random.key(0), (1000,)) / 5.25**0.5
    >>> found = free_energy_from(jax.random.key(1), triple, Posterior({"mu": mu}, None), x)
    >>> bool(abs(found.value - 9.00981) < 4 * found.se), found.ok
    (True, True)
    """
    density, data = target(model, args, kwargs)
    u, chains = _vectors(density, data, posterior)
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


def _vectors(density: Any, data: Any, posterior: Posterior) -> tuple[Any, int]:
    if posterior.log_weights is not None:
        raise ValueError("the posterior's draws are weighted nodes: take its log_evidence, or unweighted draws.")
    example = jax.eval_shape(lambda: density.constrain(jnp.zeros(density.dimension), data))
    missing = sorted(set(example) - set(posterior.draws))
    if missing:
        raise ValueError(f"the posterior lacks draws of {', '.join(missing)}; it has {', '.join(posterior.draws)}.")
    draws = {name: jnp.asarray(posterior.draws[name]) for name in example}
    for name, a in draws.items():
        if a.shape[1:] != example[name].shape:
            raise ValueError(f"draws of {name} must have shape {('draws', *example[name].shape)}; got {a.shape}.")
    u = jax.vmap(lambda w: density.unconstrain(w, data))(draws)
    chains = getattr(posterior.diagnostics, "chains", 1)
    if len(u) % chains or len(u) < LEAST * chains:
        raise ValueError(f"{LEAST} draws of each of {chains} chain(s) are wanted; got {len(u)} in all. Draw longer.")
    bad = ~np.isfinite(np.asarray(u)).all(1)
    if bad.any():
        raise ValueError(f"{int(bad.sum())} of {len(u)} draws lie outside the support (first: {int(bad.argmax())}).")
    return u, chains


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
