r"""What tempering may have missed: modes found by climbing, and how much mass each holds (floor 2).

The mass around a mode, by importance sampling, never overstates the evidence except by luck: its mean is at most $Z$,
so that it exceeds $c\,Z$ with probability at most $1/c$. A mode with more mass than all particles was missed by them.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.energy import FreeEnergy
from slt.energy.record import effective_weights, pareto_k

STARTS, KEPT = 6, 2  # climbs from each of three kinds of starts; modes whose mass is looked at
DRAWS, FREEDOM = 1000, 5.0  # of the proposal, a Student distribution: tails that no weight outgrows
MISSED = 0.01  # share of the evidence that particles may leave out
REACH = 5.0  # standard deviations of the squared distance from a normal mode, beyond which a draw is not of it
WORST = 1e-3  # curvature below this share of the particles' is taken for none: the set of minima goes on there


class Mode(NamedTuple):
    """A mode `at`, `chol` wide: log of the mass around it with its error, and energies (-log-likelihood) of draws."""

    at: np.ndarray
    chol: np.ndarray
    log_evidence: float
    se: float
    ess: float
    pareto_k: float
    energy: np.ndarray


@partial(jax.jit, static_argnames="target")
def _from_prior(key, target, data):
    return jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key, STARTS))


@partial(jax.jit, static_argnames="target")
def _curvature(target, data, beta, u):
    return -jax.hessian(lambda u: target.log_prior(u, data) + beta * target.log_lik(u, data))(u)


@partial(jax.jit, static_argnames=("target", "draws"))
def student(key: Any, target: Any, data: Any, beta: Any, at: Any, chol: Any, *, draws: int = DRAWS) -> Any:
    """Log ratios of the joint density at `beta` to a Student proposal, at its draws, and their log-likelihoods.

    Draws outside the ellipsoid that holds nearly all of a normal mode count as zero, so that the mean of the ratios is
    the mass inside: a far phase that one draw in a thousand happens to meet would make it as noisy as it is large.
    """
    d, z = len(at), draw_student(key, draws, len(at), at.dtype)
    u, square = at + z @ chol.T, (z**2).sum(1)
    log_q = log_student(square, jnp.log(jnp.diagonal(chol)).sum(), d)
    log_prior, log_lik = jax.vmap(lambda u: (target.log_prior(u, data), target.log_lik(u, data)))(u)
    ratio = log_prior + beta * log_lik - log_q
    inside = square <= d + REACH * np.sqrt(2 * d)
    return jnp.where(jnp.isnan(ratio) | ~inside, -jnp.inf, ratio), log_lik


def draw_student(key: Any, draws: int, d: int, dtype: Any) -> Any:
    """Student vectors `(draws, d)` of unit scale, by one call for normals: each such call is a loop to compile."""
    z = jax.random.normal(key, (draws, d + int(FREEDOM)), dtype)
    return z[:, :d] / jnp.sqrt((z[:, d:] ** 2).mean(1, keepdims=True))


def log_student(square: Any, log_det: Any, d: int) -> Any:
    """Log-density of a Student vector at squared distance `square`, with log-determinant of its factor."""
    gamma = jax.scipy.special.gammaln
    constant = gamma((FREEDOM + d) / 2) - gamma(FREEDOM / 2) - d / 2 * np.log(FREEDOM * np.pi)
    return constant - log_det - (FREEDOM + d) / 2 * jnp.log1p(square / FREEDOM)


def explore(key: Any, target: Any, data: Any, beta: float, ends: tuple[Any, Any], spread: np.ndarray) -> list[Mode]:
    """The mass around the highest distinct ends of climbs, given with their heights."""
    spread, modes = np.maximum(spread, 1e-12), []
    for i in np.argsort(ends[1])[::-1]:
        if len(modes) == KEPT or ends[1][i] < ends[1].max() - 30:
            break
        if all(np.abs((ends[0][i] - m.at) / spread).max() > 0.05 for m in modes):
            key, key_mode = jax.random.split(key)
            modes.append(_measure(key_mode, target, data, beta, ends[0][i], spread))
    return modes


def _measure(key: Any, target: Any, data: Any, beta: float, at: np.ndarray, spread: np.ndarray) -> Mode:
    u = jnp.asarray(at)
    curvature = np.nan_to_num(np.asarray(_curvature(target, data, beta, u), dtype=np.float64))
    scaled = curvature * np.outer(spread, spread)
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    factor = spread[:, None] * vectors / np.sqrt(np.maximum(values, WORST))
    chol = np.linalg.qr(factor.T, mode="r").T  # the Cholesky factor of factor @ factor.T, up to signs
    chol = chol * np.where(np.diag(chol) < 0, -1.0, 1.0)
    ratio, log_lik = (
        np.asarray(a, np.float64) for a in student(key, target, data, beta, u, jnp.asarray(chol, u.dtype))
    )
    alive = np.isfinite(ratio)
    if alive.sum() < 25:
        return Mode(at, chol, -np.inf, np.inf, 0.0, np.inf, np.array([]))
    w = np.exp(ratio - ratio[alive].max())
    log_evidence = float(np.log(w.mean()) + ratio[alive].max())
    se = float(w.std() / w.mean() / np.sqrt(len(w)))
    chosen = np.searchsorted(np.cumsum(w), (np.arange(len(w)) + 0.5) / len(w) * w.sum()).clip(max=len(w) - 1)
    return Mode(at, chol, log_evidence, se, effective_weights(ratio), pareto_k(ratio[alive]), -log_lik[chosen])


def starts(key: Any, target: Any, data: Any, climb: Any, beta: float) -> np.ndarray:
    """Where climbs begin: the highest particles, some others, and draws from the prior."""
    u = np.asarray(climb.u.reshape(-1, target.dimension))
    height = np.asarray(climb.log_prior + beta * climb.log_lik).ravel()
    best = np.argsort(height)[::-1][:STARTS]
    some = np.linspace(0, len(u) - 1, STARTS).astype(int)
    return np.concatenate([u[best], u[some], np.asarray(_from_prior(key, target, data))])


def missed(modes: list[Mode], found: FreeEnergy, climb: Any, beta: float) -> list[str]:
    """A sentence if a mode holds mass that the particles do not."""
    log_z, energy = found.log_evidence, -np.asarray(climb.log_lik).ravel()
    for m in modes:
        if m.energy.size == 0:
            continue
        sure = m.ess > 50 and m.pareto_k < 0.7
        excess = m.log_evidence - log_z
        apart = np.quantile(m.energy, 0.9) < energy.min() or np.quantile(m.energy, 0.1) > energy.max()
        more = excess > (4 * np.hypot(m.se, beta * found.se) + 0.05 if sure else np.log(100))
        if more or (sure and apart and excess > np.log(MISSED)):
            jump = energy.mean() - m.energy.mean()
            where = beta - excess / jump if abs(jump) > 1e-9 else np.nan
            near = f", near beta={where:.3g}" if 0 < where < beta else ""
            return [
                f"a mode of the posterior holds {np.exp(min(excess, 700)):.3g} times the evidence that tempering from "
                f"the prior arrived at, and its energy ({m.energy.mean():.1f} nats) is not that of the particles "
                f"({energy.mean():.1f}): the posterior jumps along beta (a first-order transition{near}), which no "
                f"ladder crosses. Around that mode alone F = {-m.log_evidence / beta:.3f} ± {m.se / beta:.3f}; the "
                f"particles alone have {found.value:.3f}. Add the evidences of the phases, each by bridge sampling "
                "from chains that start in it, or use a prior that tells them apart."
            ]
        held, held_se = _held(m, np.asarray(climb.u))
        share = float(np.exp(min(excess, 0.0)))
        if sure and share > MISSED and share - held > 4 * np.hypot(share * np.hypot(m.se, beta * found.se), held_se):
            return [
                f"a mode of the posterior holds {share:.0%} of the evidence and {held:.1%} of the particles: too few "
                "draws of the prior lead to it. Use more particles, or bridge sampling from chains that start in it."
            ]
    return []


def _held(mode: Mode, u: np.ndarray) -> tuple[float, float]:
    """The share of the particles in the ellipsoid around a mode, and its error from their islands."""
    d = u.shape[-1]
    z = np.linalg.solve(mode.chol, (u.reshape(-1, d) - mode.at).T)
    inside = ((z**2).sum(0) <= d + REACH * np.sqrt(2 * d)).reshape(u.shape[:2]).mean(1)
    return float(inside.mean()), float(inside.std(ddof=1) / np.sqrt(len(inside)))
