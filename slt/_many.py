r"""Many posteriors in one compiled program: chains side by side over data sets (floor 4).

$$p_r(w) \propto \varphi(w) \prod_i p(X_i^{(r)} \mid w)^{\beta c_{ri}}, \qquad r = 1, \dots, R$$

The weights $c_{ri}$ are one; a zero leaves an observation out, so that leave-one-out refits are many data sets too,
`shared` by all. The No-U-Turn sampler is the safe kernel; `slt._hmc`, of fixed length, is many times faster
where it mixes.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpyro.infer.hmc import hmc

from slt import _hmc
from slt._target import Target

CHAINS, WARMUP, DRAWS = 4, 300, 500  # of each data set
TARGET_ACCEPTANCE = 0.9
TREE_DEPTH = 8  # side by side all wait for the longest trajectory
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

    def chain(key, data, weights):
        def potential(data, weights):
            return lambda u: -density.log_prior(u, data) - beta * weighted(weights, density.terms(u, data))

        key_start, key_run = jax.random.split(key)
        init_kernel, sample_kernel = hmc(potential_fn_gen=potential, algo="NUTS")
        state = init_kernel(
            _start(key_start, density, potential(data, weights), data),
            warmup,
            target_accept_prob=TARGET_ACCEPTANCE,
            max_tree_depth=TREE_DEPTH,
            model_args=(data, weights),
            rng_key=key_run,
        )

        def step(state, _):
            state = sample_kernel(state, model_args=(data, weights))
            return state, (state.z, state.diverging)

        state, _ = jax.lax.scan(lambda s, _: (step(s, _)[0], None), state, length=warmup)
        return jax.lax.scan(step, state, length=draws)[1]

    def fixed(key, data, weights):
        def log_density(u):
            return density.log_prior(u, data) + beta * weighted(weights, density.terms(u, data))

        key_start, key_run = jax.random.split(key)
        start = jax.vmap(lambda k: _start(k, density, lambda u: -log_density(u), data))
        return _hmc.chains(key_run, log_density, start(jax.random.split(key_start, CHAINS)), warmup=warmup, draws=draws)

    def one(key, data, weights):
        if nuts:
            u, diverging = jax.vmap(lambda k: chain(k, data, weights))(jax.random.split(key, CHAINS))
        else:
            u, diverging = fixed(key, data, weights)
        return Chains(u, diverging.sum())

    return jax.vmap(one, in_axes=(0, None if shared else 0, 0))(keys, data, weights)


def _start(key: Any, density: Target, potential: Any, data: Any) -> Any:
    """Of some draws of the prior, the one with the highest density."""
    u = jax.vmap(lambda k: density.draw_prior(k, data))(jax.random.split(key, TRIES))
    height = jax.vmap(potential)(u)
    return u[jnp.argmin(jnp.where(jnp.isnan(height), jnp.inf, height))]
