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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt._hmc import DIVERGED, FIRST, FRESH, ROUNDS, _metric

ACCEPT = 0.8  # mean over a trajectory
DEPTH = 8  # doublings
BLOCK = 16  # leapfrog steps between two looks at whether a round has ended


class _Tree(NamedTuple):
    """A trajectory on its way. A state is a position, a momentum and a whitened gradient: `(3, d)`."""

    moving: Any  # the end that goes on
    resting: Any  # the other end
    sign: Any  # of time at the moving end
    energy: Any  # at its beginning
    depth: Any  # doublings so far
    accept: Any  # sum over the states of the chance of each alone
    draw: Any  # a position and its gradient: (2, d)
    height: Any  # log density of the draw
    weight: Any  # log of the sum of weights
    total: Any  # sum of momenta
    leaf: Any  # number of the next state of what is being added
    added: Any  # its draw, height, weight and total
    added_height: Any
    added_weight: Any
    added_total: Any
    marks: Any  # where its halves, quarters, ... begin: momentum, and half of it less the sum: (2, DEPTH - 1, d)


def chains(
    keys: Any, log_density: Callable[[Any, Any], Any], start: Any, args: Any, *, warmup: int, draws: int
) -> tuple[Any, Any]:
    """Draws `(R, chains, draws, d)` from starts `(R, chains, d)`, and how many diverged `(R,)`.

    `keys`: `(R,)`. `log_density`: of one position and one of the $R$ parts of `args`.
    """
    size = max(1, warmup // ROUNDS)
    sizes = jnp.array([size] * ROUNDS + [draws])
    _, count, d = start.shape
    kept = jnp.zeros((*start.shape[:2], max(size, draws), d), start.dtype)
    each = lambda f, axes: jax.vmap(jax.vmap(f, axes))  # noqa: E731
    begin = each(lambda u, args, L, r: _begin(u, *_look(log_density, u, args, L), r), (0, None, None, 0))
    leap = each(lambda *a: _leap(log_density, *a), (0, None, None, 0, 0, 0))
    store = each(lambda kept, at, u: kept.at[at].set(u, mode="drop"), (0, 0, 0))

    def random(key):
        key_r, key_u = jax.random.split(key)
        r = jax.random.normal(key_r, (BLOCK, count, d), start.dtype)
        return r, jnp.log(jax.random.uniform(key_u, (BLOCK, count, 3), start.dtype))

    def round_(carry, number):
        u, L, log_step, moments, kept, _ = carry
        size, adapting = sizes[number], number < ROUNDS
        of_round = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)

        def one(carry, randoms):
            tree, done, log_step, steps, diverged, kept = carry
            tree, draw, ended, accept, bad = leap(tree, args, L, jnp.exp(log_step), *randoms)
            counts = ended & (done < size)
            kept = store(kept, jnp.where(counts, done, kept.shape[2]), draw)
            gain = jnp.where(counts & adapting, (1.0 + done) ** -0.5, 0)
            log_step = (log_step + gain * (accept - ACCEPT)).astype(log_step.dtype)
            steps = steps + jnp.where(counts, log_step, 0)
            return (tree, done + counts, log_step, steps, diverged + (bad & counts), kept), None

        def block(carry):
            number, carry = carry
            of_block = jax.vmap(lambda key: random(jax.random.fold_in(key, number)))(of_round)
            randoms = jax.tree.map(lambda a: jnp.moveaxis(a, 1, 0), of_block)
            return number + 1, jax.lax.scan(one, carry, randoms)[0]

        first = jax.vmap(lambda key: random(jax.random.fold_in(key, 0))[0][0])(of_round)
        zero = jnp.zeros(start.shape[:2], start.dtype)
        whole = jnp.zeros(start.shape[:2], int)
        carry = begin(u, args, L, first), whole, log_step[:, None] + zero, zero, whole, kept
        more = lambda carry: (carry[1][1] < size).any()  # noqa: E731
        _, (_, _, _, steps, diverged, kept) = jax.lax.while_loop(more, block, (1, carry))
        log_step = (steps / size).mean(1)
        u = jax.lax.dynamic_index_in_dim(kept, size - 1, 2, keepdims=False)
        seen = jnp.where((jnp.arange(kept.shape[2]) < size)[:, None], kept, 0).reshape(len(u), -1, d)
        new = jnp.full(len(u), size * count, u.dtype), seen.sum(1), jnp.einsum("rsi,rsj->rij", seen, seen)
        moments = jax.tree.map(jnp.add, moments, new)
        L = jnp.where(number < ROUNDS - 1, jax.vmap(_metric)(L, *moments), L)
        moments = jax.tree.map(lambda a: jnp.where(jnp.isin(number, jnp.array(FRESH)), 0, a), moments)
        return (u, L, log_step, moments, kept, diverged.sum(1)), None

    zero, eye = jnp.zeros(len(start), start.dtype), jnp.eye(d, dtype=start.dtype)
    moments = zero, 0 * start[:, 0], zero[:, None, None] * eye
    carry = start, eye + moments[2], jnp.log(zero + FIRST), moments, kept, zero.astype(int)
    (_, _, _, _, kept, diverged), _ = jax.lax.scan(round_, carry, jnp.arange(ROUNDS + 1))
    return kept[:, :, :draws], diverged


def _times(matrix: Any, vector: Any) -> Any:
    return (matrix * vector).sum(-1)


def _look(log_density: Any, u: Any, args: Any, L: Any) -> Any:
    """The log density and its gradient in the coordinates z."""
    height, g = jax.value_and_grad(log_density)(u, args)
    return height, _times(L.T, g)


def _begin(u: Any, height: Any, h: Any, r: Any) -> _Tree:
    state, zero = jnp.stack([u, r, h]), 0 * height
    energy = 0.5 * (r**2).sum() - height
    draw, whole = state[::2], jnp.zeros((), jnp.int32)
    marks = jnp.zeros((2, DEPTH - 1, len(u)), u.dtype)
    added = draw, height, zero - jnp.inf, 0 * r
    return _Tree(state, state, 1 + zero, energy, whole, zero, draw, height, zero, r, whole, *added, marks)


def _turning(p: Any, q: Any, total: Any) -> Any:
    """Whether a stretch with these momenta at its ends, less half of them in total, turns."""
    return ((p * total).sum(-1) <= 0) | ((q * total).sum(-1) <= 0)


def _leap(log_density: Any, tree: _Tree, args: Any, L: Any, step: Any, r: Any, log_uniform: Any) -> Any:
    """One leapfrog step; where the trajectory ends with it, its draw and the next trajectory, with momentum `r`."""
    u, p, h = tree.moving
    step = tree.sign * step
    p = p + 0.5 * step * h
    u = u + step * _times(L, p)
    height, h = _look(log_density, u, args, L)
    p = p + 0.5 * step * h
    gain = tree.energy + height - 0.5 * (p**2).sum()
    gain = jnp.where(jnp.isfinite(gain), gain, -jnp.inf)
    accept = tree.accept + jnp.exp(jnp.minimum(gain, 0.0))
    moving = jnp.stack([u, p, h])

    weight = jnp.logaddexp(tree.added_weight, gain)
    taken = log_uniform[0] < gain - weight
    added, added_height = jnp.where(taken, moving[::2], tree.added), jnp.where(taken, height, tree.added_height)
    total = tree.added_total + p

    number, ones = jnp.arange(DEPTH - 1), jax.lax.population_count
    level, ending = ones(tree.leaf >> 1), ones(tree.leaf & ~(tree.leaf + 1))  # stretches that end with this leaf
    begins = (number == level) & (ending == 0)
    marks = jnp.where(begins[:, None], jnp.stack([p, 0.5 * p - total])[:, None], tree.marks)
    ends = (number > level - ending) & (number <= level)
    turned = (ends & _turning(marks[0], p, total - 0.5 * p + marks[1])).any()
    diverged = gain < -DIVERGED
    good = ~(turned | diverged)

    joined = good & (tree.leaf + 1 == 1 << tree.depth)
    taken = joined & (log_uniform[1] < weight - tree.weight)
    draw, draw_height = jnp.where(taken, added, tree.draw), jnp.where(taken, added_height, tree.height)
    whole = tree.total + total
    other = tree.resting[1]
    ended = ~good | joined & (_turning(other, p, whole - 0.5 * (p + other)) | (tree.depth + 1 == DEPTH))
    accept_mean = accept / (tree.leaf + (1 << tree.depth))

    turns = joined & (log_uniform[2] < jnp.log(0.5))  # the other end goes on
    new = _Tree(
        jnp.where(turns, tree.resting, moving),
        jnp.where(turns, moving, tree.resting),
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
        marks,
    )
    next_ = _begin(draw[0], draw_height, draw[1], r)._replace(marks=marks)
    return jax.tree.map(lambda a, b: jnp.where(ended, a, b), next_, new), draw[0], ended, accept_mean, diverged
