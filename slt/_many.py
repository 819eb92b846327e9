r"""Many posteriors in one compiled program: chains side by side over data sets (floor 4).

$$p_r(w) \propto \varphi(w) \prod_i p(X_i^{(r)} \mid w)^{\beta c_{ri}}, \qquad r = 1, \dots, R$$

The weights $c_{ri}$ are one; a zero leaves an observation out, so that leave-one-out refits are many data sets too,
`shared` by all. `slt._nuts`, whose length each trajectory finds for itself, is the safe kernel;
`slt._hmc`, of fixed length, is several times faster where it mixes.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt import _hmc, _nuts
from slt._target import Target

CHAINS, WARMUP, DRAWS = 4, 300, 500  # of each data set
TRIES = 16  # draws of the prior among which a chain looks for a start


class Chains(NamedTuple):
    """Unconstrained draws `(R, chains, draws, d)`, and the number of divergences of each data set `(R,)`."""

    u: Any
    divergences: Any


def weighted(weights: Any, terms: Any) -> Any:
    """The sum of `c_i t_i`, in which what is left out counts nothing, even where its density is zero."""
    return jnp.where(weights == 0, 0, weights * terms).sum()


@partial(jax.jit, static_argnames=("density", "draws", "warmup", "shared", "nuts"))
def run(
    keys: Any,
    density: Target,
    data: Any,
    weights: Any,
    beta: Any,
    *,
    draws: int = DRAWS,
    warmup: int = WARMUP,
    shared: bool = False,
    nuts: bool = True,
) -> Chains:
    r"""The chains of every data set, in one program that later calls with the same shapes use again.

    `keys`: `(R,)`. `data`: arrays whose first axis is $R$, or one data set for all if `shared`. `weights`:
    $c_{ri}$, `(R, n)`. `nuts`: or the kernel of fixed length.
    """

    of_each = weights if shared else (weights, data)

    def log_density(u, own):
        c, observed = (own, data) if shared else own
        return density.log_prior(u, observed) + beta * weighted(c, density.terms(u, observed))

    def begin(key, own):
        keys = jax.random.split(key, CHAINS)
        return jax.vmap(lambda k: _start(k, density, lambda u: log_density(u, own), data if shared else own[1]))(keys)

    key_start, key_run = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    start, sizes = jax.vmap(begin)(key_start, of_each), {"warmup": warmup, "draws": draws}
    if nuts:
        return Chains(*_nuts.chains(key_run, log_density, start, of_each, **sizes))
    fixed = jax.vmap(lambda key, start, own: _hmc.chains(key, lambda u: log_density(u, own), start, **sizes))
    u, diverged = fixed(key_run, start, of_each)
    return Chains(u, diverged.sum((1, 2)))


def _start(key: Any, density: Target, log_density: Any, data: Any) -> Any:
    """Of some draws of the prior, the one with the highest density."""
    u = jax.vmap(lambda k: density.draw_prior(k, data))(jax.random.split(key, TRIES))
    height = jax.vmap(log_density)(u)
    return u[jnp.argmax(jnp.where(jnp.isnan(height), -jnp.inf, height))]
