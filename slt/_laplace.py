r"""The fast way to a free energy: one mode, a Student proposal around it, two estimates (floor 3).

Climbs from about as many draws of the prior as tempering starts from look for modes. If all of them end at one place,
a Student distribution with its curvature, adapted once to the weights of its own draws, is the proposal. Importance
sampling has one estimate, bridge sampling from Hamiltonian chains another. Proposals that grow from 1.4 to 64
times as wide look for mass that the curvature at the mode knows nothing of. Whatever looks wrong is answered
by `None`.
"""

import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt import _smc
from slt._arrays import MeanSE, SltWarning
from slt._modes import FREEDOM, log_student
from slt.energy import FreeEnergy, bridge_sampling, importance_sampling

STARTS, ROUND, STEPS = 1024, 64, 100  # climbs, by the round; Newton steps of each at most
ARRIVED = 1e-8  # nats to be gained by a further step
LARGEST = 64  # parameters, beyond which the curvature costs more than the tempering
PILOT, DRAWS, CHAINS, ROUNDS = 512, 1024, 256, 4  # proposals to adapt to; then of each estimate; Hamiltonian chains
SCALES, EACH = 2.0 ** np.arange(0.5, 6.5, 0.5), 128  # of wider proposals, and draws of each
OUTSIDE, REACH = 1e-3, 12.0  # share of the evidence beyond REACH standard deviations of a normal's squared distance
ONE = 0.1  # squared distance, by the curvature, within which two ends are the same
TAIL, WORTH, AGREE = 0.5, 0.1, 3.0  # Pareto k, share of draws, standard errors: all of them stricter than a warning


class Climbs(NamedTuple):
    """Where climbs ended, and whether at a minimum."""

    end: Any
    value: Any
    curvature: Any
    arrived: Any


class Fit(NamedTuple):
    """Log ratios of the joint density to the proposals."""

    importance: Any  # (DRAWS,) at the proposal
    proposals: Any  # (DRAWS,) at the proposal again, for the bridge
    chains: Any  # (CHAINS,) at draws of the posterior
    outside: Any  # (scales, EACH) at wider proposals, -inf inside


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
def climbs(key: Any, target: Any, data: Any, beta: Any) -> Climbs:
    """A round of climbs from draws of the prior."""
    starts = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key, ROUND))
    loss, spread = partial(_loss, target, data, beta), starts.std(0)
    tile = max(1, _smc.TILE // (max(target.size, target.dimension) * target.dimension))
    return jax.lax.map(lambda u: newton(loss, u, spread), starts, batch_size=min(tile, ROUND))


def _loss(target, data, beta, u):
    return -(target.log_prior(u, data) + beta * target.log_lik(u, data))


def _student(key, draws, at, chol):
    key_z, key_s = jax.random.split(key)
    z = jax.random.normal(key_z, (draws, len(at)), at.dtype)
    scale = jax.random.chisquare(key_s, FREEDOM, (draws, 1), dtype=at.dtype) / FREEDOM
    return at + (z / jnp.sqrt(scale)) @ chol.T


@partial(jax.jit, static_argnames="target")
def fit(key: Any, target: Any, data: Any, beta: Any, mode: Any, curvature: Any) -> Fit:
    """All of it in one compiled program, which later data of the same shape use again."""
    keys, d = jax.random.split(key, 5), target.dimension
    half = jnp.linalg.inv(jnp.linalg.cholesky(curvature))  # NaN, and then no ratio is finite, where it is no mode
    narrow = half.T @ half

    def squares(u, at, chol):
        return (jax.scipy.linalg.solve_triangular(chol, (u - at).T, lower=True) ** 2).sum(0)

    def ratios(u, at, chol, scale=1.0):
        log_prior, log_lik = _smc.evaluate(target, data, u, values=True)
        log_det = jnp.log(jnp.diagonal(chol)).sum() + d * jnp.log(scale)
        r = log_prior + beta * log_lik - log_student(squares(u, at, chol) / scale**2, log_det, d)
        return jnp.where(jnp.isnan(r), -jnp.inf, r), log_prior, log_lik

    chol = jnp.linalg.cholesky(narrow)
    pilot = _student(keys[0], PILOT, mode, chol)
    r, log_prior, log_lik = ratios(pilot, mode, chol)
    w = jax.nn.softmax(r)
    worth, mean = 1 / (w**2).sum(), w @ pilot
    known = worth / (worth + 10 * d)  # a covariance from few draws is mostly noise
    centred = pilot - mean
    wide = jnp.linalg.cholesky(known * (centred.T * w) @ centred + (1 - known) * narrow)
    drawn = _student(keys[1], 2 * DRAWS, mean, wide)
    r, _, _ = ratios(drawn, mean, wide)

    index = jax.random.choice(keys[2], PILOT, (CHAINS,), p=jnp.nan_to_num(w))
    particles = tuple(a[index][None] for a in (pilot, log_prior, log_lik))
    step = jnp.asarray(0.5 * d**-0.25, mode.dtype)

    def moved(state, key):
        particles, step = state
        *particles, step, _ = _smc.move(key, target, data, beta, particles, wide, step)
        return (tuple(particles), step), None

    (particles, _), _ = jax.lax.scan(moved, (particles, step), jax.random.split(keys[3], ROUNDS))
    met, _, _ = ratios(particles[0][0], mean, wide)

    def look(key, scale):
        u = _student(key, EACH, mean, scale * wide)
        far = squares(u, mean, wide) > d + REACH * np.sqrt(2 * d)
        return jnp.where(far, ratios(u, mean, wide, scale)[0], -jnp.inf)

    scales = jnp.asarray(SCALES, mode.dtype)
    outside = jax.vmap(look)(jax.random.split(keys[4], len(SCALES)), scales)
    return Fit(r[:DRAWS], r[DRAWS:], met, outside)


def search(key: Any, target: Any, data: Any, beta: float) -> tuple[Climbs | None, np.ndarray]:
    """The one place where all climbs from the prior ended, `None` if there are several; and the ends of the climbs."""
    d = target.dimension
    if d > LARGEST:
        return None, np.zeros((0, d))
    at, tops = jnp.asarray(beta, float), []
    for k in jax.random.split(key, STARTS // ROUND):
        tops.append(Climbs(*map(np.asarray, climbs(k, target, data, at))))
        first, last = tops[0], tops[-1]
        away = last.end - first.end[0]
        apart = np.einsum("si,ij,sj->s", away, first.curvature[0], away)
        if not (last.arrived.all() and (apart < ONE).all()):
            return None, _ends(tops)
    return Climbs(*(a[0] for a in tops[0])), _ends(tops[:1])


def estimates(key: Any, target: Any, data: Any, beta: float, top: Climbs) -> tuple[FreeEnergy, FreeEnergy] | None:
    """Importance and bridge sampling around the one mode, or `None` where that is not safe."""
    at, key_fit = jnp.asarray(beta, float), jax.random.fold_in(key, 1)
    found = Fit(*map(np.asarray, fit(key_fit, target, data, at, jnp.asarray(top.end), jnp.asarray(top.curvature))))
    alive = all(np.isfinite(a).all() for a in (found.importance, found.proposals, found.chains))
    if not alive:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)  # what it would warn of is refused here
        first = importance_sampling(found.importance, beta=beta)
        second = bridge_sampling(found.chains, found.proposals, beta=beta)
    share = np.exp(found.outside + beta * first.value).mean(1).max()
    good = (
        first.ok
        and second.ok
        and first.diagnostics["pareto_k"] < TAIL
        and first.diagnostics["ess"] > WORTH * DRAWS
        and abs(first.value - second.value) < AGREE * np.hypot(first.se, second.se)
        and share < OUTSIDE
    )
    return (first, second) if good else None


def _ends(tops: list[Climbs]) -> np.ndarray:
    """The ends of climbs that arrived, the highest first."""
    ends, values, arrived = (np.concatenate([getattr(t, name) for t in tops]) for name in ("end", "value", "arrived"))
    return ends[arrived][np.argsort(values[arrived])]


def record(a: FreeEnergy, b: FreeEnergy) -> FreeEnergy:
    """The estimate with the smaller error, and what the other says."""
    better, other = (a, b) if a.se <= b.se else (b, a)
    gap = float(abs(a.value - b.value) / np.hypot(a.se, b.se))
    found = {e.method: MeanSE(e.value, e.se) for e in (a, b)}
    diagnostics = {"estimates": found, "agreement": gap, "pareto_k": a.diagnostics["pareto_k"]}
    verdict = f"{better.method}; {other.method} agrees, {gap:.1f} standard errors away"
    return FreeEnergy(better.value, better.se, a.beta, verdict, (), diagnostics)
