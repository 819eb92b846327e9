r"""Hamiltonian Monte Carlo with a fixed number of steps, so that many posteriors side by side never wait (floor 0).

$$u = L z, \qquad z(\tau)'' = L^\top \nabla \log p(Lz), \qquad \tau = 4 \epsilon \cdot (1 \pm 0.4), \qquad
4 \epsilon \le \pi / 2$$

On a normal target with covariance $L L^\top$ a trajectory of length $\pi/2$ forgets where it began, and one of length
$\pi$ ends opposite: short fixed lengths make means look better than they are, hence the jitter, new for each transition
and chain. The chains of one posterior share the metric and the step, both adapted during warm-up. Where four steps do
not reach far enough, R-hat and the effective number of draws say so; whoever calls must look.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

STEPS = 4
LENGTH, JITTER = math.pi / 2, 0.4
FIRST = 0.1  # step
ACCEPT = 0.9  # mean over the chains; the step is shorter where LENGTH is reached
ROUNDS = 10  # of warm-up; the metric follows each but the last
FRESH = (0, 1, 3)  # rounds after which what was seen before is forgotten
DENSE = 64  # dimensions up to which the metric is a matrix
DIVERGED = 1000  # error of the energy in nats


def chains(key: Any, log_density: Callable[[Any], Any], start: Any, *, warmup: int, draws: int) -> tuple[Any, Any]:
    """Draws `(chains, draws, d)` from starts `(chains, d)`, and which transitions diverged `(chains, draws)`."""
    count, d = start.shape
    size = max(1, warmup // ROUNDS)  # of a round; the draws are more rounds, in which nothing is adapted
    rounds = ROUNDS - (-draws // size)
    move = jax.vmap(_transition, in_axes=(None, 0, 0, 0, None, 0))

    def round_(carry, key_and_number):
        state, L, log_step, moments = carry
        key, number = key_and_number
        adapting = number < ROUNDS

        def one(carry, randoms):
            (state, log_step), (gain, r, uniform) = carry, randoms
            step = jnp.exp(log_step) * (1 + JITTER * (2 * uniform[:, 0] - 1))
            state, accept, diverged = move(log_density, state, r, uniform[:, 1], L, step)
            log_step = jnp.minimum(log_step + gain * (accept.mean() - ACCEPT), jnp.log(LENGTH / STEPS))
            return (state, log_step), (state[0], log_step, diverged)

        key_r, key_u = jax.random.split(key)
        gain = jnp.where(adapting, (1 + jnp.arange(size, dtype=start.dtype)) ** -0.5, 0)
        r = jax.random.normal(key_r, (size, count, d), start.dtype)
        uniform = jax.random.uniform(key_u, (size, count, 2), start.dtype)
        (state, _), (u, log_steps, diverged) = jax.lax.scan(one, (state, log_step), (gain, r, uniform))
        seen = u.reshape(-1, d)
        moments = jax.tree.map(jnp.add, moments, (jnp.array(len(seen), u.dtype), seen.sum(0), seen.T @ seen))
        L = jax.lax.cond(number < ROUNDS - 1, lambda: _metric(L, *moments), lambda: L)
        forget = jnp.isin(number, jnp.array(FRESH))
        moments = jax.tree.map(lambda a: jnp.where(forget, 0, a), moments)
        log_step = jnp.where(adapting, log_steps.mean(), log_step)
        return (state, L, log_step, moments), (u, diverged)

    state = (start, *jax.vmap(jax.value_and_grad(log_density))(start))
    zero, eye = jnp.zeros((), start.dtype), jnp.eye(d, dtype=start.dtype)
    carry = state, eye, jnp.log(zero + FIRST), (zero, 0 * start[0], 0 * eye)
    _, (u, diverged) = jax.lax.scan(round_, carry, (jax.random.split(key, rounds), jnp.arange(rounds)))
    u, diverged = (a[ROUNDS:].reshape(-1, count, *a.shape[3:])[:draws] for a in (u, diverged))
    return jnp.moveaxis(u, 0, 1), diverged.T


def _transition(log_density: Any, state: Any, r: Any, uniform: Any, L: Any, step: Any) -> Any:
    """One trajectory and its Metropolis step. Sums, not matrix products: those are slow side by side."""

    def times(matrix, vector):
        return (matrix * vector).sum(-1)

    u, log_p, g = state
    p, v = r + 0.5 * step * times(L.T, g), u

    def leap(_, at):
        v, p, *_ = at
        v = v + step * times(L, p)
        log_q, h = jax.value_and_grad(log_density)(v)
        return v, p + step * times(L.T, h), log_q, h

    v, p, log_q, h = jax.lax.fori_loop(0, STEPS, leap, (v, p, log_p, g), unroll=True)
    p = p - 0.5 * step * times(L.T, h)
    gain = log_q - 0.5 * (p**2).sum() - log_p + 0.5 * (r**2).sum()
    gain = jnp.where(jnp.isfinite(gain) & jnp.isfinite(h).all(), gain, -jnp.inf)
    taken = jnp.log(uniform) < gain
    state = jax.tree.map(lambda new, old: jnp.where(taken, new, old), (v, log_q, h), state)
    return state, jnp.exp(jnp.minimum(gain, 0.0)), gain < -DIVERGED


def _metric(old: Any, count: Any, total: Any, square: Any) -> Any:
    """A square root of the covariance of what was seen, its diagonal enlarged a little; else the old one."""
    mean = total / count
    cov = square / count - mean[:, None] * mean
    own = cov * jnp.eye(len(mean), dtype=mean.dtype)
    L = jnp.linalg.cholesky((own if len(mean) > DENSE else cov) + 5e-3 / (count + 5) * own)
    return jnp.where((jnp.diag(L) > 0).all(), L, old)
