r"""The fast way to a free energy: one mode, a defensive mixture around it, two estimates (floor 3).

Climbs from about as many draws of the prior as tempering starts from, and from around the mode, look for others. If all
of them end at one place, a Student distribution with its curvature, adapted once to the weights of its own draws, is the
proposal, with three kinds of wide draws mixed in: four and sixteen times as wide, and from the prior itself, which keep
every weight below a multiple of the likelihood. Importance sampling from the mixture has one estimate, bridge sampling
from Hamiltonian chains to the Student distribution another. Whatever looks wrong is answered by `None`.
"""

import dataclasses
import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt import _smc
from slt._arrays import MeanSE, SltWarning
from slt._modes import FREEDOM, log_student
from slt.energy import FreeEnergy, bridge_sampling, importance_sampling
from slt.energy.record import pooled

STARTS, ROUND, STEPS = 1024, 64, 100  # climbs, those by Newton by the round; steps of each of those at most
NEAR, AROUND, QUICK = 256, 2.0, 8  # climbs from around the mode, how far around; steps with its curvature at most
ARRIVED = 1e-8  # nats to be gained by a further step
LARGEST = 64  # parameters, beyond which the curvature costs more than the tempering
PILOT, CHAINS, ROUNDS = 512, 256, 2  # proposals to adapt to; Hamiltonian chains and how often they move
SCALES, STRATA = (1.0, 4.0, 16.0), (1024, 128, 128, 128)  # widths of the mixture; draws of each, and of the prior
OUTSIDE, REACH = 1e-3, 12.0  # share of the evidence beyond REACH standard deviations of a normal's squared distance
ONE = 0.1  # squared distance, by the curvature, within which two ends are the same
TAIL, WORTH, AGREE = 0.5, 0.1, 3.0  # Pareto k, share of draws, standard errors: all of them stricter than a warning
HEAVIEST, HIGHER = 0.02, 1.0  # share of one draw; nats by which a ratio at the chains may exceed all others


class Climbs(NamedTuple):
    """Where climbs ended, and whether at a minimum."""

    end: Any
    value: Any
    curvature: Any
    arrived: Any


class Fit(NamedTuple):
    """Log ratios of the joint density to the proposals."""

    importance: Any  # (sum of STRATA,) to the mixture, at its draws
    far: Any  # which of these draws are far outside
    proposals: Any  # (STRATA[0],) to the Student distribution, at its draws
    chains: Any  # (CHAINS,) to the Student distribution, at draws of the posterior


def newton(loss: Any, start: Any, spread: Any) -> Climbs:
    """A minimum by damped Newton steps."""

    def look(u):
        return loss(u), jax.grad(loss)(u), jax.hessian(loss)(u)

    def unfinished(state):
        _, (value, _, _), _, gain, k = state
        return (k < STEPS) & (gain > ARRIVED) & jnp.isfinite(value)

    def step(state):
        u, at, damping, gain, k = state
        value, gradient, curvature = at
        chol = jnp.linalg.cholesky(curvature + damping * jnp.diag(spread**-2))
        move = -jax.scipy.linalg.cho_solve((chol, True), gradient)
        new = look(u + move)
        better = new[0] <= value  # false too where the curvature was not positive, and the move is NaN
        promised = -gradient @ move / 2
        gain = jnp.where(jnp.isfinite(promised) & (damping < 1e-2), promised, jnp.inf)
        u = jnp.where(better, u + move, u)
        at = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, at)
        return u, at, jnp.where(better, damping / 10, damping * 10), gain, k + 1

    dtype = start.dtype
    state = (start, look(start), jnp.asarray(1e-3, dtype), jnp.asarray(jnp.inf, dtype), 0)
    u, (value, _, curvature), _, gain, _ = jax.lax.while_loop(unfinished, step, state)
    return Climbs(u, value, curvature, jnp.isfinite(value) & (gain <= ARRIVED))


@partial(jax.jit, static_argnames="target")
def climbs(target: Any, data: Any, beta: Any, starts: Any, spread: Any) -> Climbs:
    """A round of climbs by Newton steps."""
    loss = partial(_loss, target, data, beta)
    tile = max(1, _smc.TILE // (max(target.size, target.dimension) * target.dimension))
    return jax.lax.map(lambda u: newton(loss, u, spread), starts, batch_size=min(tile, ROUND))


@partial(jax.jit, static_argnames="target")
def draws_of_prior(key: Any, target: Any, data: Any) -> tuple[Any, Any]:
    """Where climbs start, and how far these places spread."""
    u = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key, STARTS))
    return u, jnp.where(jnp.isfinite(u), u, 0.0).std(0)


@partial(jax.jit, static_argnames="target")
def descend(key: Any, target: Any, data: Any, beta: Any, starts: Any, mode: Any, curvature: Any) -> tuple[Any, Any]:
    """The starts and some around the mode, and which of them a few steps with the curvature of the mode lead to it."""
    chol = jnp.linalg.cholesky(curvature)
    z = AROUND * jax.random.normal(key, (NEAR, len(mode)), mode.dtype)
    starts = jnp.concatenate([starts, mode + jax.scipy.linalg.solve_triangular(chol.T, z.T, lower=False).T])

    def look(u):
        gradient, log_prior, log_lik = _smc.evaluate(target, data, u, beta=beta)
        value = log_prior + beta * log_lik
        return jnp.where(jnp.isnan(value), -jnp.inf, value), jax.scipy.linalg.cho_solve((chol, True), gradient.T).T

    def home(u):
        return ((chol.T @ (u - mode).T) ** 2).sum(0) < ONE

    def unfinished(state):
        u, _, _, k = state
        return (k < QUICK) & ~home(u).all()

    def step(state):
        u, (value, move), share, k = state
        new_u = u + share[:, None] * move
        new = look(new_u)
        better = new[0] >= value
        u, move = (jnp.where(better[:, None], a, b) for a, b in ((new_u, u), (new[1], move)))
        share = jnp.where(better, jnp.minimum(1.0, 2 * share), share / 4)
        return u, (jnp.where(better, new[0], value), move), share, k + 1

    state = starts, look(starts), jnp.ones(len(starts), mode.dtype), 0
    u, (value, _), _, _ = jax.lax.while_loop(unfinished, step, state)
    return starts, home(u) & jnp.isfinite(value)


def _loss(target, data, beta, u):
    return -(target.log_prior(u, data) + beta * target.log_lik(u, data))


def _student(key, draws, at, chol):
    d, freedom = len(at), int(FREEDOM)
    z = jax.random.normal(key, (draws, d + freedom), at.dtype)
    scale = (z[:, d:] ** 2).mean(1, keepdims=True)  # a chi-square, faster than by rejection
    return at + (z[:, :d] / jnp.sqrt(scale)) @ chol.T


@partial(jax.jit, static_argnames="target")
def fit(key: Any, target: Any, data: Any, beta: Any, mode: Any, curvature: Any) -> Fit:
    """All of it in one compiled program, which later data of the same shape use again."""
    keys, d = jax.random.split(key, 5), target.dimension
    half = jnp.linalg.inv(jnp.linalg.cholesky(curvature))  # NaN, and then no ratio is finite, where it is no mode
    narrow = half.T @ half

    def squares(u, at, chol):
        return (jax.scipy.linalg.solve_triangular(chol, (u - at).T, lower=True) ** 2).sum(0)

    def ratios(u, at, chol):
        log_prior, log_lik = _smc.evaluate(target, data, u, values=True)
        log_q = log_student(squares(u, at, chol), jnp.log(jnp.diagonal(chol)).sum(), d)
        r = log_prior + beta * log_lik - log_q
        return jnp.where(jnp.isnan(r), -jnp.inf, r), log_prior, log_lik

    chol = jnp.linalg.cholesky(narrow)
    pilot = _student(keys[0], PILOT, mode, chol)
    r, log_prior, log_lik = ratios(pilot, mode, chol)
    w = jax.nn.softmax(r)
    worth, mean = 1 / (w**2).sum(), w @ pilot
    known = worth / (worth + 10 * d)  # a covariance from few draws is mostly noise
    centred = pilot - mean
    wide = jnp.linalg.cholesky(known * (centred.T * w) @ centred + (1 - known) * narrow)
    scales, shares = np.array(SCALES), np.log(np.array(STRATA) / sum(STRATA))

    def mixture(key):
        *key_s, key_prior = jax.random.split(key, len(STRATA))
        prior = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key_prior, STRATA[-1]))
        students = [_student(k, n, mean, s * wide) for k, n, s in zip(key_s, STRATA[:-1], SCALES, strict=True)]
        u = jnp.concatenate([*students, prior])
        log_prior, log_lik = _smc.evaluate(target, data, u, values=True)
        square = squares(u, mean, wide)
        log_det = jnp.log(jnp.diagonal(wide)).sum() + d * jnp.log(scales)
        each = log_student(square[:, None] / scales**2, log_det, d)
        r = log_prior + beta * log_lik - logsumexp(shares + jnp.column_stack([each, log_prior]), axis=1)
        return jnp.where(jnp.isnan(r), -jnp.inf, r), square > d + REACH * np.sqrt(2 * d)

    mixed, far = mixture(keys[1])
    proposals, _, _ = ratios(_student(keys[4], STRATA[0], mean, wide), mean, wide)

    index = _smc.systematic(keys[2], jnp.where(jnp.isnan(r), -jnp.inf, r))[:: PILOT // CHAINS]
    particles = tuple(a[index][None] for a in (pilot, log_prior, log_lik))
    step = jnp.asarray(0.5 * d**-0.25, mode.dtype)

    def moved(state, key):
        particles, step = state
        *particles, step, _ = _smc.move(key, target, data, beta, particles, wide, step)
        return (tuple(particles), step), None

    (particles, _), _ = jax.lax.scan(moved, (particles, step), jax.random.split(keys[3], ROUNDS))
    met, _, _ = ratios(particles[0][0], mean, wide)
    return Fit(mixed, far, proposals, met)


def search(key: Any, target: Any, data: Any, beta: float) -> tuple[Climbs | None, np.ndarray]:
    """The one place where all climbs ended, `None` if there are several; and the ends of the climbs."""
    d = target.dimension
    if d > LARGEST:
        return None, np.zeros((0, d))
    at = jnp.asarray(beta, float)
    key_prior, key_near = jax.random.split(key)
    starts, spread = draws_of_prior(key_prior, target, data)
    tops = [Climbs(*map(np.asarray, climbs(target, data, at, starts[:ROUND], spread)))]
    end, curvature = tops[0].end[0], tops[0].curvature[0]

    def one(top):
        away = top.end - end
        return top.arrived.all() and (np.einsum("si,ij,sj->s", away, curvature, away) < ONE).all()

    if not one(tops[0]):
        return None, _ends(tops)
    others, home = map(np.asarray, descend(key_near, target, data, at, starts[ROUND:], end, curvature))
    lost = np.flatnonzero(~home)
    for first in range(0, len(lost), ROUND):
        rows = np.resize(lost[first : first + ROUND], ROUND)
        tops.append(Climbs(*map(np.asarray, climbs(target, data, at, others[rows], spread))))
        if not one(tops[-1]):
            return None, _ends(tops)
    return Climbs(*(a[0] for a in tops[0])), _ends(tops[:1])


def estimates(key: Any, target: Any, data: Any, beta: float, top: Climbs) -> tuple[FreeEnergy, FreeEnergy] | None:
    """Importance and bridge sampling around the one mode, or `None` where that is not safe."""
    at, key_fit = jnp.asarray(beta, float), jax.random.fold_in(key, 1)
    found = Fit(*map(np.asarray, fit(key_fit, target, data, at, top.end, top.curvature)))
    if not (np.isfinite(found.chains).all() and np.isfinite(found.proposals).all()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)  # what it would warn of is refused here
        first = _by_strata(importance_sampling(found.importance, beta=beta), found.importance)
        second = bridge_sampling(found.chains, found.proposals, beta=beta)
    weights = [np.exp(r - r.max()) for r in (found.importance, found.proposals)]
    good = (
        first.ok
        and second.ok
        and first.diagnostics["pareto_k"] < TAIL
        and first.diagnostics["ess"] > WORTH * sum(STRATA)
        and abs(first.value - second.value) < AGREE * np.hypot(first.se, second.se)
        and weights[0][found.far].sum() < OUTSIDE * weights[0].sum()
        and all(1 < HEAVIEST * w.sum() for w in weights)
        and found.chains.max() < found.proposals.max() + HIGHER
    )
    return (first, second) if good else None


def _by_strata(found: FreeEnergy, log_w: np.ndarray) -> FreeEnergy:
    """With the error of a mixture whose components have each their number of draws, not a random one."""
    w = np.exp(log_w - log_w.max())
    parts = np.split(w, np.cumsum(STRATA)[:-1])
    se = np.sqrt(sum(len(p) * p.var(ddof=1) for p in parts)) / w.sum()
    return dataclasses.replace(found, se=float(se) / found.beta)


def _ends(tops: list[Climbs]) -> np.ndarray:
    """The ends of climbs that arrived, the highest first."""
    ends, values, arrived = (np.concatenate([getattr(t, name) for t in tops]) for name in ("end", "value", "arrived"))
    return ends[arrived][np.argsort(values[arrived])]


def record(a: FreeEnergy, b: FreeEnergy) -> FreeEnergy:
    """Both estimates in one."""
    value, se, gap = pooled(a, b)
    found = {e.method: MeanSE(e.value, e.se) for e in (a, b)}
    diagnostics = {"estimates": found, "agreement": gap, "pareto_k": a.diagnostics["pareto_k"]}
    return FreeEnergy(value, se, a.beta, f"{a.method} and {b.method}, {gap:.1f} errors apart", (), diagnostics)
