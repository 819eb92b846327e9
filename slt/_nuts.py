r"""The No-U-Turn sampler for many posteriors side by side, in which no chain waits for another one's tree (floor 1).

$$u = L z, \qquad H(z, p) = -\log p(L z) + \tfrac12 |p|^2, \qquad
\text{stop once}\quad p_\pm \cdot \Big( \sum_k p_k - \tfrac12 (p_- + p_+) \Big) \le 0$$

A trajectory doubles, forwards or backwards by chance, until its ends turn towards each other or those of one of the
halves, quarters, ... of what was added do. Each turn of the loop makes one leapfrog step of every chain, and a chain
whose trajectory ends begins its next one at once: all of them wait for each other only where a round ends. A state of
what was added is drawn by its weight $e^{-H}$ as it is made, and replaces the old draw with probability
$\min(1, w_\text{added} / w_\text{old})$. Only one state for each size of a half is kept, those where a half begins.

Hoffman and Gelman (2014); Betancourt (2017), appendix A; the loop over leaves with few states kept: Phan, Pradhan and
Jankowiak (2019). Metric and step belong to the posterior, both adapted during warm-up as in `slt._hmc`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt._hmc import DENSE, DIVERGED, FIRST, FRESH, ROUNDS, _metric

ACCEPT = 0.9  # mean over a trajectory; at 0.8 singular posteriors diverge two to ten times as often
DEPTH = 8  # doublings
BLOCK = 16  # leapfrog steps between two looks at whether a round has ended


class _Tree(NamedTuple):
    """Trajectories on their way, one of each chain: vectors `(d, C)`, numbers `(C,)`. An end is a position, a momentum
    and the gradient."""

    moving: Any  # the end that goes on
    resting: Any  # the other end
    sign: Any  # of time at the moving end
    energy: Any  # at its beginning
    depth: Any  # doublings so far
    accept: Any  # sum over the states of the chance of each alone
    draw: Any  # position and gradient
    height: Any  # log density of the draw
    weight: Any  # log of the sum of weights
    total: Any  # sum of momenta
    leaf: Any  # number of the next state of what is being added
    added: Any  # its draw, height, weight and total
    added_height: Any
    added_weight: Any
    added_total: Any
    firsts: Any  # where its halves, quarters, ... begin: momentum, `(DEPTH - 1, d, C)`,
    befores: Any  # and half of it less the sum so far


def chains(
    keys: Any, log_density: Callable[[Any, Any], Any], start: Any, args: Any, *, warmup: int, draws: int
) -> tuple[Any, Any]:
    """Draws `(R, chains, draws, d)` from starts `(R, chains, d)`, and how many of their transitions diverged `(R,)`.

    `keys`: `(R,)`. `log_density`: of one position, given one of the $R$ parts of `args`. Inside, the chains of all
    posteriors stand side by side in the last axis.
    """
    count, d = start.shape[1:]
    size = max(1, warmup // ROUNDS)
    sizes = jnp.array([size] * ROUNDS + [draws])
    look_at_all = jax.vmap(jax.vmap(jax.value_and_grad(log_density), (0, None)))

    def times(matrix, p):
        p = p.reshape(d, -1, count)
        found = jnp.diagonal(matrix).T[..., None] * p if d > DENSE else (matrix[..., None] * p).sum(1)
        return found.reshape(d, -1)

    def round_(carry, number):
        u, L, log_step, moments, kept, _ = carry
        L_of, size = jnp.moveaxis(L, 0, -1), sizes[number]
        of_round = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)

        def look(u):
            height, g = look_at_all(jnp.moveaxis(u.reshape(d, -1, count), 0, -1), args)
            return height.ravel(), times(jnp.swapaxes(L_of, 0, 1), jnp.moveaxis(g, -1, 0))

        def one(carry, randoms):
            tree, done, log_step, steps, diverged, kept = carry
            tree, draw, ended, accept, bad = _leap(look, partial(times, L_of), tree, jnp.exp(log_step), *randoms)
            counts = ended & (done < size)  # a chain that has made its transitions goes on, unseen
            kept = kept.at[jnp.arange(len(kept)), jnp.where(counts, done, kept.shape[1])].set(draw.T, mode="drop")
            gain = jnp.where(counts & (number < ROUNDS), (1 + done.astype(u.dtype)) ** -0.5, 0)
            log_step = log_step + gain * (accept - ACCEPT)
            steps = steps + jnp.where(counts, log_step, 0)
            return (tree, done + counts, log_step, steps, diverged + (bad & counts), kept), None

        def block(carry):
            number, carry = carry
            return number + 1, jax.lax.scan(one, carry, _randoms(of_round, number, count, d, u.dtype))[0]

        r, _ = _randoms(of_round, 0, count, d, u.dtype)
        zero = jnp.zeros(len(kept), u.dtype)
        whole = zero.astype(jnp.int32)
        tree = _begin(u, *look(u), r[0])
        carry = tree, whole, jnp.repeat(log_step, count), zero, whole, kept
        unfinished = lambda carry: (carry[1][1] < size).any()  # noqa: E731
        _, (_, _, _, steps, diverged, kept) = jax.lax.while_loop(unfinished, block, (1, carry))
        u = jax.lax.dynamic_index_in_dim(kept, size - 1, 1, keepdims=False).T
        seen = jnp.where((jnp.arange(kept.shape[1]) < size)[:, None], kept, 0).reshape(len(L), -1, d)
        new = jnp.full(len(L), size * count, u.dtype), seen.sum(1), jnp.einsum("rsi,rsj->rij", seen, seen)
        moments = jax.tree.map(jnp.add, moments, new)
        L = jnp.where(number < ROUNDS - 1, jax.vmap(_metric)(L, *moments), L)
        moments = jax.tree.map(lambda a: jnp.where(jnp.isin(number, jnp.array(FRESH)), 0, a), moments)
        log_step = (steps / size).reshape(-1, count).mean(1)
        return (u, L, log_step, moments, kept, diverged.reshape(-1, count).sum(1, dtype=jnp.int32)), None

    zero = jnp.zeros(len(keys), start.dtype)
    moments = zero, 0 * start[:, 0], jnp.zeros((len(keys), d, d), start.dtype)
    kept = jnp.zeros((len(keys) * count, max(size, draws), d), start.dtype)
    u = jnp.moveaxis(start, -1, 0).reshape(d, -1)
    carry = u, moments[2] + jnp.eye(d, dtype=start.dtype), jnp.log(zero + FIRST), moments, kept, zero.astype(jnp.int32)
    (_, _, _, _, kept, diverged), _ = jax.lax.scan(round_, carry, jnp.arange(ROUNDS + 1))
    return kept[:, :draws].reshape(-1, count, draws, d), diverged


def _randoms(keys: Any, number: Any, count: int, d: int, dtype: Any) -> tuple[Any, Any]:
    """Of each step of a block: a momentum, should a trajectory begin, and three logarithms of uniform numbers."""

    def of_posterior(key):
        key_r, key_u = jax.random.split(jax.random.fold_in(key, number))
        r = jax.random.normal(key_r, (BLOCK, d, count), dtype)
        return r, jnp.log1p(-jax.random.uniform(key_u, (BLOCK, 3, count), dtype))

    return jax.tree.map(lambda a: a.reshape(*a.shape[:2], -1), jax.vmap(of_posterior, out_axes=2)(keys))


def _begin(u: Any, height: Any, h: Any, r: Any) -> _Tree:
    end, draw, zero = (u, r, h), (u, h), 0 * height
    energy = 0.5 * (r**2).sum(0) - height
    whole = jnp.zeros(height.shape, jnp.int32)
    marks = jnp.zeros((DEPTH - 1, *u.shape), u.dtype)
    added = draw, height, zero - jnp.inf, 0 * r
    return _Tree(end, end, 1 + zero, energy, whole, zero, draw, height, zero, r, whole, *added, marks, marks)


def _turning(p: Any, q: Any, total: Any) -> Any:
    """Whether a stretch with these momenta at its ends, less half of them in total, turns."""
    return ((p * total).sum(-2) <= 0) | ((q * total).sum(-2) <= 0)


def _where(test: Any, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(test, a, b), new, old)


def _leap(look: Any, times: Any, tree: _Tree, step: Any, r: Any, log_uniform: Any) -> Any:
    """One leapfrog step; where the trajectory ends with it, its draw and the next trajectory, with momentum `r`."""
    u, p, h = tree.moving
    step = tree.sign * step
    p = p + 0.5 * step * h
    u = u + step * times(p)
    u, (height, h) = jax.lax.optimization_barrier((u, look(u)))
    p = p + 0.5 * step * h
    gain = tree.energy + height - 0.5 * (p**2).sum(0)
    gain = jnp.where(jnp.isfinite(gain), gain, -jnp.inf)
    accept = tree.accept + jnp.exp(jnp.minimum(gain, 0.0))
    moving = u, p, h

    weight = jnp.logaddexp(tree.added_weight, gain)
    added, added_height = _where(log_uniform[0] <= gain - weight, ((u, h), height), (tree.added, tree.added_height))
    total = tree.added_total + p

    number, ones = jnp.arange(DEPTH - 1)[:, None], jax.lax.population_count
    level, ending = ones(tree.leaf >> 1), ones(tree.leaf & ~(tree.leaf + 1))  # stretches that end with this leaf
    begins = ((number == level) & (ending == 0))[:, None]
    firsts, befores = jnp.where(begins, p, tree.firsts), jnp.where(begins, 0.5 * p - total, tree.befores)
    ends = (number > level - ending) & (number <= level)
    turned = (ends & _turning(firsts, p, total - 0.5 * p + befores)).any(0)
    diverged = gain < -DIVERGED
    good = ~(turned | diverged)

    joined = good & (tree.leaf + 1 == 1 << tree.depth)
    taken = joined & (log_uniform[1] <= weight - tree.weight)
    draw, draw_height = _where(taken, (added, added_height), (tree.draw, tree.height))
    whole = tree.total + total
    other = tree.resting[1]
    ended = ~good | joined & (_turning(other, p, whole - 0.5 * (p + other)) | (tree.depth + 1 == DEPTH))
    accept_mean = accept / (tree.leaf + (1 << tree.depth))

    turns = joined & (log_uniform[2] < jnp.log(0.5))  # the other end goes on
    new = _Tree(
        _where(turns, tree.resting, moving),
        _where(turns, moving, tree.resting),
        jnp.where(turns, -tree.sign, tree.sign),
        tree.energy,
        tree.depth + joined,
        accept,
        draw,
        draw_height,
        jnp.where(joined, jnp.logaddexp(tree.weight, weight), tree.weight),
        jnp.where(joined, whole, tree.total),
        jnp.where(joined, 0, tree.leaf + 1),
        added,
        added_height,
        jnp.where(joined, -jnp.inf, weight),
        jnp.where(joined, 0, total),
        firsts,
        befores,
    )
    next_ = _begin(draw[0], draw_height, draw[1], r)._replace(firsts=firsts, befores=befores)
    return _where(ended, next_, new), draw[0], ended, accept_mean, diverged
