r"""Hamiltonian Monte Carlo with a fixed number of steps, so that many posteriors side by side never wait (floor 0).

$$u = L z, \qquad z(\tau)'' = L^\top \nabla \log p(Lz), \qquad \tau = 4 \epsilon \cdot (1 \pm 0.4), \qquad
4 \epsilon \le \pi / 2$$

On a normal target with covariance $L L^\top$ a trajectory of length $\pi/2$ forgets where it began, and one of length
$\pi$ ends opposite: short fixed lengths make means look better than they are, hence the jitter, new for each transition
and chain. The chains of one posterior share the metric and the step, both adapted during warm-up. Where four steps do
not reach far enough, R-hat and the effective number of draws say so; whoever calls must look.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

STEPS = 4
LENGTH, JITTER = jnp.pi / 2, 0.4
ACCEPT = 0.8  # mean over the chains; the step is shorter where LENGTH is reached
ROUNDS = 10  # of warm-up; the metric follows each but the last
FRESH = (0, 1, 3)  # rounds after which what was seen before is forgotten
DENSE = 64  # dimensions up to which the metric is a matrix
DIVERGED = 1000  # error of the energy in nats


def chains(
    key: Any, log_density: Callable[[Any], Any], start: Any, *, warmup: int, draws: int
) -> tuple[Any, Any]:
    """Draws `(chains, draws, d)` from starts `(chains, d)`, and which transitions diverged `(chains, draws)`."""
    count, d = start.shape
    of_round = max(1, warmup // ROUNDS)

    def numbers(key, length):
        key_r, key_u = jax.random.split(key)
        r = jax.random.normal(key_r, (length, count, d), start.dtype)
        return r, jax.random.uniform(key_u, (length, count, 2), start.dtype)

    def transitions(state, randoms, L, log_step):
        step = jnp.exp(log_step) * (1 + JITTER * (2 * randoms[1][:, 0] - 1))
        move = jax.vmap(_transition, in_axes=(None, 0, 0, 0, None, 0))
        return move(log_density, state, randoms[0], randoms[1][:, 1], L, step)

    def round_(carry, key_and_number):
        state, L, log_step, moments = carry
        key, number = key_and_number

        def one(carry, randoms):
            state, log_step = carry
            state, accept, _ = transitions(state, randoms[1:], L, log_step)
            log_step += (accept.mean() - ACCEPT) / jnp.sqrt(1.0 + randoms[0])
            log_step = jnp.minimum(log_step, jnp.log(LENGTH / STEPS))
            return (state, log_step), (state[0], log_step)

        (state, _), (u, log_steps) = jax.lax.scan(one, (state, log_step), (jnp.arange(of_round), *numbers(key, of_round)))
        u = u.reshape(-1, d)
        moments = jax.tree.map(jnp.add, moments, (jnp.array(len(u), u.dtype), u.sum(0), u.T @ u))
        last = number == ROUNDS - 1
        L = jax.lax.cond(last, lambda: L, lambda: _metric(*moments))
        forget = jnp.isin(number, jnp.array(FRESH))
        moments = jax.tree.map(lambda a: jnp.where(forget, 0, a), moments)
        return (state, L, log_steps.mean(), moments), None

    key_warm, key_draw = jax.random.split(key)
    state = (start, *jax.vmap(jax.value_and_grad(log_density))(start))
    eye = jnp.eye(d, dtype=start.dtype)
    carry = state, eye, jnp.log(jnp.asarray(0.1, start.dtype)), (jnp.zeros((), start.dtype), 0 * start[0], 0 * eye)
    (state, L, log_step, _), _ = jax.lax.scan(
        round_, carry, (jax.random.split(key_warm, ROUNDS), jnp.arange(ROUNDS))
    )

    def draw(state, randoms):
        state, _, diverged = transitions(state, randoms, L, log_step)
        return state, (state[0], diverged)

    _, (u, diverged) = jax.lax.scan(draw, state, numbers(key_draw, draws))
    return jnp.moveaxis(u, 0, 1), diverged.T


def _transition(log_density: Any, state: Any, r: Any, uniform: Any, L: Any, step: Any) -> Any:
    """One trajectory and its Metropolis step. Sums, not matrix products: those are slow side by side."""

    def times(matrix, vector):
        return (matrix * vector).sum(-1)

    u, log_p, g = state
    p, v = r + 0.5 * step * times(L.T, g), u
    for i in range(STEPS):
        v = v + step * times(L, p)
        log_q, h = jax.value_and_grad(log_density)(v)
        p = p + (step if i < STEPS - 1 else 0.5 * step) * times(L.T, h)
    gain = log_q - 0.5 * (p**2).sum() - log_p + 0.5 * (r**2).sum()
    gain = jnp.where(jnp.isfinite(gain) & jnp.isfinite(h).all(), gain, -jnp.inf)
    taken = jnp.log(uniform) < gain
    state = jax.tree.map(lambda new, old: jnp.where(taken, new, old), (v, log_q, h), state)
    return state, jnp.exp(jnp.minimum(gain, 0.0)), gain < -DIVERGED


def _metric(count: Any, total: Any, square: Any) -> Any:
    """A square root of the covariance of what was seen, with a little of a small unit matrix."""
    mean = total / count
    cov = square / count - mean[:, None] * mean
    eye = jnp.eye(len(mean), dtype=mean.dtype)
    if len(mean) > DENSE:
        cov = cov * eye
    cov = (count * cov + 5e-3 * eye) / (count + 5)
    return jnp.linalg.cholesky(cov)
