r"""Tempered sequential Monte Carlo: from draws of the prior to draws at beta, with the ratios on the way (floor 1).

Several islands of particles climb one ladder together. Step by step, the next inverse temperature is the one at which
the weights are still worth a given share of the particles; weights enter the evidence of each island; particles are
resampled within their island and moved by Hamiltonian Monte Carlo, preconditioned by the covariance of all of them.
Islands share the ladder and the preconditioner and nothing else, so that their spread is the error of their mean.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

RUNGS = 256  # at most
SHARE = 0.6  # of the particles that the weights of one step are worth
SETTLE = 4  # rounds of moves at the last rung, before its draws are used
MOVES, LEAPFROGS = 2, 3  # Hamiltonian moves of a rung, and steps of each
ACCEPTANCE = 0.8  # to which the step size adapts
TILE = 2**22  # numbers that one evaluation of all particles may hold


class Climb(NamedTuple):
    """Where the particles are, `(islands, particles, ...)`, and what happened at each of `rungs` rungs."""

    u: Any
    log_prior: Any
    log_lik: Any
    betas: Any  # (RUNGS + 1,)
    totals: Any  # (RUNGS + 1, islands, particles): log-likelihoods at the draws of each rung
    log_evidence: Any  # (RUNGS + 1, islands)
    acceptance: Any  # (RUNGS + 1,)
    rungs: Any
    settled: Any
    step: Any
    chol: Any


@partial(jax.jit, static_argnames=("target", "islands", "particles"))
def climb(key: Any, target: Any, data: Any, beta: Any, *, islands: int, particles: int) -> Climb:
    """Run the ladder from 0 to `beta`."""
    key, key_prior = jax.random.split(key)
    flat = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key_prior, islands * particles))
    log_prior, log_lik = evaluate(target, data, flat, values=True)
    shape = (islands, particles)
    log_prior, log_lik = log_prior.reshape(shape), log_lik.reshape(shape)
    dtype, d = log_lik.dtype, target.dimension
    start = Climb(
        flat.reshape(*shape, d),
        log_prior,
        log_lik,
        jnp.zeros(RUNGS + 1, dtype),
        jnp.zeros((RUNGS + 1, *shape), dtype).at[0].set(log_lik),
        jnp.zeros((RUNGS + 1, islands), dtype),
        jnp.ones(RUNGS + 1, dtype),
        jnp.zeros((), int),
        jnp.zeros((), int),
        jnp.asarray(0.5 * d**-0.25, dtype),
        jnp.eye(d, dtype=dtype),
    )

    def unfinished(state):
        climb, _ = state
        return (climb.settled < SETTLE) & (climb.rungs < RUNGS)

    def rung(state):
        c, key = state
        key, key_resample, key_move = jax.random.split(key, 3)
        at = _next_beta(c.log_lik, c.betas[c.rungs], beta)
        log_w = (at - c.betas[c.rungs]) * c.log_lik
        log_w = jnp.where(jnp.isnan(log_w), -jnp.inf, log_w)
        gained = logsumexp(log_w, axis=1) - jnp.log(particles)
        index = jax.vmap(systematic)(jax.random.uniform(key_resample, (islands,), log_w.dtype), log_w)
        u, log_prior, log_lik = (
            jnp.take_along_axis(a, index.reshape(index.shape + (1,) * (a.ndim - 2)), axis=1)
            for a in (c.u, c.log_prior, c.log_lik)
        )
        chol = cholesky(u.reshape(-1, d), c.chol)
        u, log_prior, log_lik, step, accepted = move(key_move, target, data, at, (u, log_prior, log_lik), chol, c.step)
        # At the last rung the step is zero and the weights are equal: only the moves remain.
        arrived = c.betas[c.rungs] >= beta
        k = jnp.where(arrived, c.rungs, c.rungs + 1)
        c = Climb(
            u,
            log_prior,
            log_lik,
            c.betas.at[k].set(at),
            c.totals.at[k].set(log_lik),
            c.log_evidence.at[k].set(c.log_evidence[c.rungs] + gained),
            c.acceptance.at[k].set(accepted),
            k,
            c.settled + arrived,
            step,
            chol,
        )
        return c, key

    return jax.lax.while_loop(unfinished, rung, (start, key))[0]


def move(key, target, data, beta, particles, chol, step) -> Any:
    """Some Hamiltonian moves of every particle at `beta`; the step size follows the acceptance rate."""
    shape = particles[2].shape
    u, log_prior, log_lik = (a.reshape(-1, *a.shape[2:]) for a in particles)

    def slope(u):
        return evaluate(target, data, u, beta=beta)

    def one(state, drawn):
        (u, gradient, log_prior, log_lik, step), (p, uniform) = state, drawn
        # One step size for all particles, drawn anew each time: trajectories do not close upon themselves.
        e = step * (0.6 + 0.8 * uniform[0])

        def leap(_, state):
            u, p, gradient, *_ = state
            p = p + 0.5 * e * gradient @ chol
            u = u + e * p @ chol.T
            gradient, log_prior, log_lik = slope(u)
            return u, p + 0.5 * e * gradient @ chol, gradient, log_prior, log_lik

        new_u, new_p, new_gradient, new_prior, new_lik = jax.lax.fori_loop(
            0, LEAPFROGS, leap, (u, p, gradient, log_prior, log_lik)
        )
        change = (new_prior + beta * new_lik - 0.5 * (new_p**2).sum(1)) - (
            log_prior + beta * log_lik - 0.5 * (p**2).sum(1)
        )
        chance = jnp.where(jnp.isnan(change), 0.0, jnp.exp(jnp.minimum(change, 0.0)))
        yes = uniform[1:] < chance
        step = step * jnp.exp(jnp.clip(chance.mean() - ACCEPTANCE, -0.5, 0.2))
        u, gradient = jnp.where(yes[:, None], new_u, u), jnp.where(yes[:, None], new_gradient, gradient)
        state = (u, gradient, jnp.where(yes, new_prior, log_prior), jnp.where(yes, new_lik, log_lik), step)
        return state, chance.mean()

    start = (u, slope(u)[0], log_prior, log_lik, step)
    key_p, key_uniform = jax.random.split(key)
    # Of all moves at once: each call for random numbers is a loop to compile.
    drawn = (
        jax.random.normal(key_p, (MOVES, *u.shape), u.dtype),
        jax.random.uniform(key_uniform, (MOVES, 1 + len(u)), u.dtype),
    )
    (u, _, log_prior, log_lik, step), chance = jax.lax.scan(one, start, drawn)
    return u.reshape(*shape, -1), log_prior.reshape(shape), log_lik.reshape(shape), step, chance.mean()


def evaluate(target, data, u, *, beta=None, values=False) -> Any:
    """(log prior, log-likelihood) of each row, or, at `beta`, the gradient of the tempered density with both."""

    def both(u):
        return target.log_prior(u, data), target.log_lik(u, data)

    def tempered(u):
        log_prior, log_lik = both(u)
        return log_prior + beta * log_lik, (log_prior, log_lik)

    def one(u):
        if values:
            return both(u)
        (_, (log_prior, log_lik)), gradient = jax.value_and_grad(tempered, has_aux=True)(u)
        return gradient, log_prior, log_lik

    tile = max(1, TILE // max(target.size, 1))
    return jax.vmap(one)(u) if tile >= len(u) else jax.lax.map(one, u, batch_size=tile)


def _next_beta(log_lik, now, last):
    """The largest step whose weights are worth SHARE of the particles that have any, found by bisection in its log."""
    a = log_lik.ravel()
    alive = jnp.isfinite(a)
    top = jnp.max(jnp.where(alive, a, -jnp.inf))
    a = jnp.where(alive, a - top, 0.0)

    def enough(step):
        log_w = jnp.where(alive, step * a, -jnp.inf)
        return 2 * logsumexp(log_w) - logsumexp(2 * log_w) >= jnp.log(SHARE * alive.sum())

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        good = enough(jnp.exp(middle))
        return jnp.where(good, middle, low), jnp.where(good, high, middle)

    whole = jnp.log(jnp.maximum(last - now, jnp.finfo(a.dtype).tiny))
    low, _ = jax.lax.fori_loop(0, 30, halve, (whole - 60.0, whole))
    return jnp.where(enough(last - now), last, now + jnp.exp(low))


def systematic(uniform, log_w):
    """Indices of as many draws as there are weights, each chosen in proportion to its weight, by one uniform number."""
    n = log_w.shape[0]
    w = jnp.exp(log_w - jnp.max(log_w))
    cumulative = jnp.cumsum(w)
    at = (jnp.arange(n) + uniform) / n * cumulative[-1]
    return jnp.clip(jnp.searchsorted(cumulative, at, side="right"), 0, n - 1)


def cholesky(u, before):
    """Factor of the covariance of the particles, a tenth of it shrunk to the diagonal where there are few."""
    u = jnp.where(jnp.isfinite(u), u, 0.0)
    centred = u - u.mean(0)
    covariance = centred.T @ centred / len(u)
    share = jnp.minimum(1.0, u.shape[1] / len(u) * 2)
    variance = jnp.diagonal(covariance)
    covariance = (1 - share) * covariance + jnp.diag(share * variance + 1e-10 * variance.max() + 1e-30)
    chol = jnp.linalg.cholesky(covariance)
    return jnp.where(jnp.isfinite(chol).all(), chol, before)
