r"""Parallel tempering: replicas from the prior to the posterior that change places, and so carry it over barriers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.energy import power_ladder
from slt.samplers import _chains, hmc
from slt.triple import Posterior

__all__ = ["Replicas", "sample", "swap"]

GOAL = 0.9  # acceptance of the Hamiltonian moves of each replica
LEAPFROGS, MOVES = 5, 2  # of each replica between two rounds of swaps
LOW = 0.05  # swap rate below which a rung is called a barrier


@dataclass(frozen=True)
class Replicas:
    r"""Draws at every rung of a ladder from the prior to the posterior.

    **Arguments:** `posterior`: the draws at the last rung, as from every sampler. `betas`: the rungs, shape `(rungs,)`,
    from 0. `draws`: name to array `(rungs, chains * draws, ...)`. `log_lik`: $\sum_i \log p(X_i \mid w)$ of the draws,
    untempered, shape `(rungs, chains, draws)`, as `slt.energy.stepping_stone` takes it. `swap_rates`: mean acceptance
    between neighbours, shape `(rungs - 1,)`.
    **Source:** Geyer (1991).

    >>> post = Posterior({"w": np.zeros(2)}, np.zeros((2, 3)))
    >>> Replicas(post, np.array([0.0, 1.0]), {}, np.zeros((2, 1, 2)), np.array([0.4])).swap_rates.tolist()
    [0.4]
    """

    posterior: Posterior
    betas: np.ndarray
    draws: Mapping[str, Any]
    log_lik: np.ndarray
    swap_rates: np.ndarray


def swap(key: jax.Array, log_lik: Any, betas: Any, *, first: Any) -> tuple[Any, Any]:
    r"""Which replica each rung takes over: one round of swaps between neighbours.

    $$\alpha = \min\Big(1, \frac{p_{\beta_k}(w_{k+1})\, p_{\beta_{k+1}}(w_k)}{p_{\beta_k}(w_k)\,
    p_{\beta_{k+1}}(w_{k+1})}\Big) = \min\big(1, e^{(\beta_{k+1} - \beta_k)(\ell(w_k) - \ell(w_{k+1}))}\big),
    \qquad \ell(w) = \sum_i \log p(X_i \mid w)$$

    The prior and its Jacobian stand above and below, and cancel: only the likelihood is tempered. It is Metropolis'
    ratio of the joint density $\prod_k p_{\beta_k}(w_k)$ for a proposal that is its own inverse.

    **Arguments:** `key`: a JAX key. `log_lik`: $\ell(w_k)$, untempered, shape `(rungs,)`. `betas`: shape `(rungs,)`.
    `first`: 0 tries the pairs (0, 1), (2, 3), ...; 1 tries (1, 2), (3, 4), ...
    **Returns:** the index of the replica that each rung takes over, `(rungs,)`; and the logarithm of the ratio of every
    pair of neighbours, tried or not, `(rungs - 1,)`.
    **Source:** Geyer (1991); Swendsen and Wang (1986); Watanabe (2018), section 7.1.

    >>> index, log_ratio = swap(jax.random.key(0), jnp.array([-1.0, -3.0, -2.0]), jnp.array([0.0, 0.5, 1.0]), first=0)
    >>> index.tolist(), log_ratio.tolist()  # the hotter replica fits better: the two change places for certain
    ([1, 0, 2], [1.0, -0.5])
    """
    pairs = jnp.arange(len(betas) - 1)
    log_ratio = jnp.diff(betas) * (log_lik[:-1] - log_lik[1:])
    tried = pairs % 2 == first
    yes = (tried & (jnp.log(jax.random.uniform(key, log_ratio.shape, log_ratio.dtype)) < log_ratio)).astype(int)
    return jnp.arange(len(betas)) + jnp.pad(yes, (0, 1)) - jnp.pad(yes, (1, 0)), log_ratio


@partial(jax.jit, static_argnames=("density", "draws"))
def _run(key, density, data, betas, first, *, draws) -> Any:
    """Points `(chains, draws, rungs, d)`, their log-likelihoods, log ratios of top moves, swap rates of each chain."""
    rungs, every = len(betas), jax.vmap(lambda u: density.log_lik(u, data))

    def move(key, u, beta, size):
        """Hamiltonian moves at one rung."""

        def log_density(u):
            return density.log_prior(u, data) + beta * density.log_lik(u, data)

        def one(state, key):
            return hmc.step(key, state, log_density, size=size, leapfrogs=LEAPFROGS)

        state, log_ratios = jax.lax.scan(one, hmc.init(log_density, u), jax.random.split(key, MOVES))
        return state.u, log_ratios[-1]

    def round_(carry, key_t):
        (u, size, total), (key, t) = carry, key_t
        key_move, key_prior, key_swap = jax.random.split(key, 3)
        u, log_ratio = jax.vmap(move)(jax.random.split(key_move, rungs), u, betas, size)
        u = u.at[0].set(density.draw_prior(key_prior, data))  # at beta = 0, where every draw may be a new one
        size, total = _chains.adapt(size, total, log_ratio, GOAL, t)
        log_lik = every(u)
        index, log_swap = swap(key_swap, log_lik, betas, first=t % 2)
        return (u[index], size, total), (u[index], log_lik[index], log_ratio[-1], jnp.exp(jnp.minimum(log_swap, 0.0)))

    def chain(key, u):
        u, keys = jnp.tile(u, (rungs, 1)), jax.random.split(key, _chains.WARMUP + draws)
        size = jnp.full(rungs, 0.5, u.dtype)
        _, out = jax.lax.scan(round_, (u, size, jnp.zeros_like(size)), (keys, jnp.arange(len(keys))))
        return jax.tree.map(lambda a: a[_chains.WARMUP :], out)

    u, log_lik, log_ratio, swaps = jax.vmap(chain)(jax.random.split(key, len(first)), first)
    return u, log_lik, log_ratio, swaps.mean((0, 1))


def sample(
    key: jax.Array, model: Any, *data: Any, beta: float = 1.0, draws: int = 1000, chains: int = 4, rungs: int = 12
) -> Replicas:
    r"""Draws at every rung of a ladder up to $\beta$, by Hamiltonian moves and swaps.

    $$\prod_{k=0}^{K} p_{\beta_k}(w_k \mid X^n), \qquad p_b(w \mid X^n) \propto \varphi(w) \prod_i p(X_i \mid w)^b,
    \qquad \beta_k = \beta\,(k / K)^5$$

    Every replica moves at its own $\beta_k$; then neighbours change places, even pairs and odd pairs in turn. The first
    rung is the prior, which is drawn from afresh, so that whatever climbs to the last has come from anywhere: labels of
    a mixture, branches of a singular posterior. 500 rounds, in which step sizes adapt, are thrown away.

    **Arguments:** `key`: a JAX key. `model`: a `Triple`. `data`: `x`, or `x, y`. `draws`: kept per chain and rung.
    `chains`: ladders side by side. `rungs`: $K + 1$.
    **Returns:** `Replicas`; its `posterior` is that of the other samplers.
    **Raises:** `TypeError` for anything but a `Triple`; `ValueError` for an improper prior, bad data, or a prior that
    never meets the data. Warns (`SltWarning`) as `slt.nuts` does, and of neighbours that hardly change places.
    **Source:** Geyer (1991); Syed, Bouchard-Cote, Deligiannidis and Doucet (2022) for even and odd rounds.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> found = sample(jax.random.key(0), triple, jnp.array([0.1, -0.3, 0.8]), rungs=4)
    >>> found.draws["mu"].shape, found.swap_rates.shape, found.posterior.log_lik.shape
    ((4, 4000), (3,), (4000, 3))
    """
    density, arrays = _chains.prepare(key, model, data, beta, draws=draws, chains=chains)
    betas = power_ladder(_chains.check_whole("rungs", rungs, 2), beta=beta)
    key_start, key_run = jax.random.split(key)
    first = _chains.starts(key_start, density, arrays, chains)
    u, log_lik, log_ratio, rates = _run(key_run, density, arrays, jnp.asarray(betas), first, draws=draws)
    by_rung = jnp.moveaxis(u, 2, 0).reshape(rungs, chains * draws, -1)
    flat = jax.jit(jax.vmap(jax.vmap(lambda u: density.constrain(u, arrays))))(by_rung)
    rates = np.asarray(rates)
    problems = [
        f"replicas at beta={betas[k]:.3g} and {betas[k + 1]:.3g} change places in {rates[k]:.1%} of the rounds: little "
        f"gets past. Use more rungs (rungs={2 * rungs})."
        for k in np.flatnonzero(rates < LOW)
    ]
    last = {name: a[-1] for name, a in flat.items()}
    diverged = int((~(np.asarray(log_ratio) > -_chains.DIVERGED)).sum())
    posterior = _chains.judge(model, last, data, beta=beta, chains=chains, diverged=diverged, problems=problems)
    return Replicas(posterior, betas, dict(flat), np.moveaxis(np.asarray(log_lik), 2, 0), rates)
