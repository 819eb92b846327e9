r"""The fast way to a free energy: a defensive mixture around the one mode, two estimates (floor 3).

A Student distribution with the curvature at the mode, adapted once to the weights of its own draws, is the proposal,
with three kinds of wide draws mixed in: four and sixteen times as wide, and from the prior itself, which keep every
weight below a multiple of the likelihood. Importance sampling from the mixture has one estimate, bridge sampling from
Hamiltonian chains to the Student distribution another. Whatever looks wrong is answered by `None`.
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
from slt._climbs import Climbs
from slt._modes import draw_student, log_student
from slt.energy import FreeEnergy, bridge_sampling, importance_sampling
from slt.energy.record import pooled

PILOT, CHAINS, ROUNDS = 512, 256, 2  # proposals to adapt to; Hamiltonian chains and how often they move
SCALES, STRATA = (1.0, 4.0, 16.0), (1024, 128, 128, 128)  # widths of the mixture; draws of each, and of the prior
OUTSIDE, REACH = 1e-3, 12.0  # share of the evidence beyond REACH standard deviations of a normal's squared distance
TAIL, WORTH, AGREE = 0.5, 0.1, 3.0  # Pareto k, share of draws, standard errors: all of them stricter than a warning
OWN = 2**20 + 2  # makes the key of the fit, apart from those of the search and those that the key is split into
HEAVIEST, HIGHER = 0.02, 1.0  # share of one draw; nats by which a ratio at the chains may exceed all others


class Fit(NamedTuple):
    """Log ratios of the joint density to the proposals."""

    importance: Any  # (sum of STRATA,) to the mixture, at its draws
    far: Any  # which of these draws are far outside
    proposals: Any  # (STRATA[0],) to the Student distribution, at its draws
    chains: Any  # (CHAINS,) to the Student distribution, at draws of the posterior


@partial(jax.jit, static_argnames="target")
def fit(key: Any, target: Any, data: Any, beta: Any, top: Climbs) -> Fit:
    """All of it in one compiled program, which later data of the same shape use again."""
    keys, d, mode = jax.random.split(jax.random.fold_in(key, OWN), 4), target.dimension, top.end
    half = jnp.linalg.inv(jnp.linalg.cholesky(top.curvature))  # NaN, and then no ratio is finite, where it is no mode
    narrow = half.T @ half

    def squares(u, at, chol):
        return (jax.scipy.linalg.solve_triangular(chol, (u - at).T, lower=True) ** 2).sum(0)

    def ratios(u, at, chol):
        log_prior, log_lik = _smc.evaluate(target, data, u, values=True)
        log_q = log_student(squares(u, at, chol), jnp.log(jnp.diagonal(chol)).sum(), d)
        r = log_prior + beta * log_lik - log_q
        return jnp.where(jnp.isnan(r), -jnp.inf, r), log_prior, log_lik

    chol = jnp.linalg.cholesky(narrow)
    sizes = PILOT, STRATA[0], *STRATA[:-1]
    standard = jnp.split(draw_student(keys[0], sum(sizes), d, mode.dtype), np.cumsum(sizes)[:-1])
    pilot = mode + standard[0] @ chol.T
    r, log_prior, log_lik = ratios(pilot, mode, chol)
    w = jax.nn.softmax(r)
    worth, mean = 1 / (w**2).sum(), w @ pilot
    known = worth / (worth + 10 * d)  # a covariance from few draws is mostly noise
    centred = pilot - mean
    wide = jnp.linalg.cholesky(known * (centred.T * w) @ centred + (1 - known) * narrow)
    scales, shares = np.array(SCALES), np.log(np.array(STRATA) / sum(STRATA))

    def mixture(key):
        prior = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key, STRATA[-1]))
        students = [mean + s * z @ wide.T for s, z in zip(SCALES, standard[2:], strict=True)]
        u = jnp.concatenate([*students, prior])
        log_prior, log_lik = _smc.evaluate(target, data, u, values=True)
        square = squares(u, mean, wide)
        log_det = jnp.log(jnp.diagonal(wide)).sum() + d * jnp.log(scales)
        each = log_student(square[:, None] / scales**2, log_det, d)
        r = log_prior + beta * log_lik - logsumexp(shares + jnp.column_stack([each, log_prior]), axis=1)
        return jnp.where(jnp.isnan(r), -jnp.inf, r), square > d + REACH * np.sqrt(2 * d)

    mixed, far = mixture(keys[1])
    proposals, _, _ = ratios(mean + standard[1] @ wide.T, mean, wide)

    index = _smc.systematic(jax.random.uniform(keys[2], (), r.dtype), jnp.where(jnp.isnan(r), -jnp.inf, r))
    index = index[:: PILOT // CHAINS]
    particles = tuple(a[index][None] for a in (pilot, log_prior, log_lik))
    step = jnp.asarray(0.5 * d**-0.25, mode.dtype)

    def moved(state, key):
        particles, step = state
        *particles, step, _ = _smc.move(key, target, data, beta, particles, wide, step)
        return (tuple(particles), step), None

    (particles, _), _ = jax.lax.scan(moved, (particles, step), jax.random.split(keys[3], ROUNDS))
    met, _, _ = ratios(particles[0][0], mean, wide)
    return Fit(mixed, far, proposals, met)


def estimates(key: Any, target: Any, data: Any, beta: float, top: Climbs) -> tuple[FreeEnergy, FreeEnergy] | None:
    """Importance and bridge sampling around the one mode, or `None` where that is not safe."""
    found = Fit(*map(np.asarray, fit(key, target, data, np.asarray(beta, float), top)))
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
        and all(HEAVIEST * w.sum() > 1 for w in weights)
        and found.chains.max() < found.proposals.max() + HIGHER
    )
    return (first, second) if good else None


def _by_strata(found: FreeEnergy, log_w: np.ndarray) -> FreeEnergy:
    """With the error of a mixture whose components have each their number of draws, not a random one."""
    w = np.exp(log_w - log_w.max())
    parts = np.split(w, np.cumsum(STRATA)[:-1])
    se = np.sqrt(sum(len(p) * p.var(ddof=1) for p in parts)) / w.sum()
    return dataclasses.replace(found, se=float(se) / found.beta)


def record(a: FreeEnergy, b: FreeEnergy) -> FreeEnergy:
    """Both estimates in one."""
    value, se, gap = pooled(a, b)
    found = {e.method: MeanSE(e.value, e.se) for e in (a, b)}
    diagnostics = {"estimates": found, "agreement": gap, "pareto_k": a.diagnostics["pareto_k"]}
    return FreeEnergy(value, se, a.beta, f"{a.method} and {b.method}, {gap:.1f} errors apart", (), diagnostics)
