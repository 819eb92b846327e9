r"""Multilevel splitting inside one compiled program: moves, a pilot run that finds levels, replicas that use them.

Particles live in $\mathbb{R}^d$, which a bijection maps onto the support of the prior, so that no move leaves it. Every
move keeps the prior on $\{K < \epsilon\}$: it is symmetric, or corrected by its Jacobian, and refused where
$K \ge \epsilon$.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

LEVELS = 256  # at most
SHARE = 0.6  # of the particles that go on at each level of the pilot run
STALLED = 1e-3  # a level must lie below the last one by this share


def flat(prior: Mapping[str, Any]) -> tuple[Callable, Callable, Callable]:
    r"""Draws of the prior as flat vectors $u \in \mathbb{R}^d$, their log-density, and the way back to `w`."""
    from numpyro.distributions import biject_to

    if not isinstance(prior, Mapping) or not prior:
        raise ValueError(f"prior must be a mapping from names to distributions, or a Triple; got {prior!r}.")
    maps = {name: biject_to(p.support) for name, p in prior.items()}

    def draw_tree(key):
        keys = jax.random.split(key, len(prior))
        drawn = {name: prior[name].sample(k) for name, k in zip(prior, keys, strict=True)}
        return {name: maps[name].inv(jnp.asarray(w, float)) for name, w in drawn.items()}

    shapes = jax.eval_shape(draw_tree, jax.random.key(0))
    unravel = ravel_pytree({name: np.zeros(a.shape) for name, a in shapes.items()})[1]

    def log_prior(u):
        tree = unravel(u)
        parts = []
        for name, p in prior.items():
            w = maps[name](tree[name])
            parts.append(p.log_prob(w).sum() + maps[name].log_abs_det_jacobian(tree[name], w).sum())
        return sum(parts)

    def constrain(u):
        return {name: maps[name](a) for name, a in unravel(u).items()}

    return lambda key: ravel_pytree(draw_tree(key))[0], log_prior, constrain


def metropolis(key, u, density, k, epsilon, *, k_of, log_prior) -> Any:
    """One step of every particle, `(N, d)`, that leaves the prior on {K < epsilon} as it is."""
    key_normal, key_uniform = jax.random.split(key)
    count, d = u.shape
    z, r = jax.random.normal(key_normal, (count, d + 1)), jax.random.uniform(key_uniform, (6, count, 1))
    i = (r[0] * d).astype(int)
    j = (i + 1 + (r[1] * (d - 1)).astype(int)) % d  # another one, and i itself if there is no other
    at_i, at_j = jnp.arange(d) == i, jnp.arange(d) == j
    lowest = 0.5 * jnp.log(epsilon) - 1.0
    shift = jnp.exp(lowest + r[2] * (1.0 - lowest)) * z[:, :d]
    log_factor = z[:, d:] * jnp.exp(-3.0 + 4.0 * r[2])
    sign = jnp.where(r[3] < 0.5, -1.0, 1.0)
    kind = (4 * r[4]).astype(int)
    new = jnp.select(
        [kind == 0, kind == 1, kind == 2],
        [u + shift, u + at_i * shift, u * jnp.where(at_i, sign * jnp.exp(log_factor), 1.0)],
        u * jnp.exp(log_factor * (1.0 * at_i - at_j)),  # one up, one down: volume is kept
    )
    jacobian = jnp.where(kind == 2, log_factor, 0.0)[:, 0]
    new_k, new_density = jax.vmap(k_of)(new), jax.vmap(log_prior)(new)
    yes = (new_k < epsilon) & (jnp.log(r[5, :, 0]) < new_density - density + jacobian)
    return jnp.where(yes[:, None], new, u), jnp.where(yes, new_density, density), jnp.where(yes, new_k, k), yes


def _advance(key, u, k, epsilon, *, move, moves, density) -> Any:
    """Copies of survivors in the place of the others, then moves; the share of survivors and of the moved."""
    key_copy, key_move = jax.random.split(key)
    alive = k < epsilon
    survivors = alive.sum()
    chosen = jax.random.randint(key_copy, k.shape, 0, jnp.maximum(survivors, 1))
    source = jnp.where(alive, jnp.arange(len(k)), jnp.searchsorted(jnp.cumsum(alive), chosen + 1))
    source = jnp.where(survivors > 0, source, jnp.arange(len(k)))
    u, k, density = u[source], k[source], density[source]

    def step(state, key):
        u, density, k, moved = state
        u, density, k, yes = move(key, u, density, k, epsilon)
        return (u, density, k, moved | yes), None

    start = (u, density, k, jnp.zeros(len(k), bool))
    (u, density, k, moved), _ = jax.lax.scan(step, start, jax.random.split(key_move, moves))
    return u, density, k, survivors / len(k), moved.mean()


def _start(key, draw, k_of, move, particles) -> Any:
    u = jax.vmap(draw)(jax.random.split(key, particles))
    return u, jax.vmap(move.keywords["log_prior"])(u), jax.vmap(k_of)(u)


def pilot(key, *, smallest, draw, k_of, move, particles, moves) -> Any:
    """Levels at each of which a share of the particles goes on, how many there are, and the smallest K that was met."""
    key, key_start = jax.random.split(key)
    u, density, k = _start(key_start, draw, k_of, move, particles)

    def unfinished(state):
        *_, levels, count, _ = state
        last, before = levels[count - 1], jnp.where(count > 1, levels[count - 2], jnp.inf)
        return (count == 0) | ((count < LEVELS) & (last > smallest) & (last < (1 - STALLED) * before))

    def level(state):
        u, density, k, levels, count, key = state
        key, key_now = jax.random.split(key)
        epsilon = jnp.maximum(jnp.quantile(k, SHARE), jnp.where((k <= 0).mean() > SHARE, 0.0, smallest))
        u, density, k, *_ = _advance(key_now, u, k, epsilon, move=move, moves=moves, density=density)
        return u, density, k, levels.at[count].set(epsilon), count + 1, key

    state = (u, density, k, jnp.zeros(LEVELS), 0, key)
    _, _, last, levels, count, _ = jax.lax.while_loop(unfinished, level, state)
    return levels, count, jnp.minimum(k.min(), last.min())  # nan if one is


def replica(key, levels, count, *, draw, k_of, move, particles, moves) -> Any:
    """log V at each level, and the share of particles that moved."""
    key, key_start = jax.random.split(key)
    u, density, k = _start(key_start, draw, k_of, move, particles)

    def level(t, state):
        u, density, k, log_v, renewed = state
        u, density, k, share, moved = _advance(
            jax.random.fold_in(key, t), u, k, levels[t], move=move, moves=moves, density=density
        )
        before = jnp.where(t > 0, log_v[t - 1], 0.0)
        return u, density, k, log_v.at[t].set(before + jnp.log(share)), renewed.at[t].set(moved)

    state = (u, density, k, jnp.zeros(LEVELS), jnp.zeros(LEVELS))
    *_, log_v, renewed = jax.lax.fori_loop(0, count, level, state)
    return log_v, renewed
