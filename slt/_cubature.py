r"""The free energy of one or two parameters by adaptive quadrature, with an error of its own (floor 3).

$$Z_n(\beta) = \int_{\mathbb{R}^d} e^{\ell(u)}\,du, \qquad
\ell(u) = \log \varphi(u) + \beta \sum_i \log p(X_i \mid u)$$

in unconstrained coordinates, and over all of them, so that no box has to be chosen. A survey on a grid as wide as the
prior, and climbs from its peaks, say where the panels of `_panels` should be.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.ndimage import maximum_filter

from slt import _climbs, _smc
from slt._panels import NODES, STRETCH, Map, adapt, around, grid, log_sum, stretch
from slt.energy import FreeEnergy

METHOD, LARGEST = "adaptive quadrature", 2  # parameters
SURVEY, FIRST = {1: 512, 2: 8}, {1: 16, 2: 10}  # panels along each axis, of the survey and to begin with
COARSE = 64  # panels of a survey of one parameter by values alone, if that shows a peak that is alone
CREST, CLOSER = 1.0, 40  # nats by which the neighbours of a peak may be lower; rounds of looking closer at most
PEAKS, ROUNDS = 16, 4  # of the survey that are climbed from at a time, and how often, while some are not explained
BATCH, SHEET, ENOUGH = 128, 2**12, 1e-2  # nodes computed side by side, and in a call; relative error to be content with
LEAST, MOST, WORK = 2**14, 2**18, 2**29  # evaluations: LEAST, or at most MOST and WORK densities of one observation
CORRELATED = 0.5  # beyond it the axes are turned; below, edges along the axes stay so
DRAWS = 512  # of the prior, for the centre and the width of the survey
HOPELESS = -1e12  # nats of a likelihood that no prior density, infinite by rounding alone, makes up for
SMALL = 30.0  # nats below the highest, where a peak does not matter


@partial(jax.jit, static_argnames="target")
def _joint(target, data, beta, u, many):
    """Of the first batches of a sheet `(d, batches, BATCH)`; the others cost nothing."""

    def one(i, found):
        log_prior, log_lik = _smc.evaluate(target, data, u[:, i].T, values=True)
        value = log_prior + beta * log_lik
        overflown = (log_prior == jnp.inf) & (beta * log_lik < HOPELESS)  # NumPyro's InverseGamma near zero
        return found.at[i].set(jnp.where(jnp.isnan(value) | overflown, -jnp.inf, value))

    return jax.lax.fori_loop(0, many, one, jnp.zeros(u.shape[1:], u.dtype))


@partial(jax.jit, static_argnames="target")
def _draws(key, target, data):
    return jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key, DRAWS))


def free_energy(key: Any, target: Any, data: Any, beta: float) -> FreeEnergy:
    """The free energy; `se` is the quadrature's estimate of its error, from above; a problem where it is not small."""
    if target.dimension > LARGEST:
        why = (
            "quadrature serves models of one or two unconstrained parameters beside those in which the log joint "
            f"density is quadratic (in 64 bits, up to 32 in all); this one has {target.dimension}."
        )
        return FreeEnergy(np.nan, np.nan, beta, METHOD, (why,))
    return integrate(key, target, data, beta)[0]


@np.errstate(divide="ignore", over="ignore", invalid="ignore")  # zero and infinite densities are met, and said
def integrate(key: Any, target: Any, data: Any, beta: float, slopes: bool = True) -> tuple[FreeEnergy, Map]:
    """The same, and where the posterior is; by values alone where derivatives are dear."""
    dtype, d = jnp.result_type(float), target.dimension
    at, counted = np.asarray(beta, dtype), []

    def joint(u):
        found, nodes = [], u.shape[1]
        counted.append(nodes)
        for first in range(0, nodes, SHEET):
            many, sheet = min(SHEET, nodes - first), np.zeros((d, SHEET), dtype)
            sheet[:, :many] = u[:, first : first + many]
            found.append(_joint(target, data, at, sheet.reshape(d, -1, BATCH), -(-many // BATCH)))
        return np.concatenate(found, axis=None)[:nodes]

    def spent():
        return sum(counted) / max(LEAST, min(MOST, WORK // max(target.size, 1)))

    plane, peaks, widths = survey(key, target, data, at, joint, slopes)
    panels, finished = adapt(joint, spent, plane, *around(*grid(FIRST[d], d), peaks, widths))
    log_z = log_sum(panels.log_mass)
    if not np.isfinite(log_z):
        why = f"the log evidence is {log_z}: no node of the quadrature gives the data a positive and finite density."
        return FreeEnergy(np.nan, np.nan, beta, METHOD, (why,)), plane
    error = float(np.exp(log_sum(panels.log_error.ravel()) - log_z))
    rounding = 4 * float(jnp.finfo(dtype).eps) * (abs(log_z) + target.size)  # which no other method would escape
    problems: tuple[str, ...] = ()
    if not error < ENOUGH:
        problems = (
            f"quadrature reached a relative error of {error:.1g} in {sum(counted)} evaluations; {ENOUGH:g} was wanted: "
            "the density has too many edges or ridges, or too heavy tails.",
        )
    elif not finished:
        problems = (
            f"after {sum(counted)} evaluations, quadrature had not followed every ridge of the density to its end: "
            f"its error is unknown, {error:.1g} where it looked.",
        )
    diagnostics = {"panels": len(panels.low), "evaluations": sum(counted)}
    return FreeEnergy(-log_z / beta, (error + rounding) / beta, beta, METHOD, problems, diagnostics), plane


@cache
def lattice(d: int, panels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nodes of the survey for a prior of centre 0 and spread STRETCH; sides and log areas of their cells."""
    x, w = leggauss(NODES)
    half = 1.0 / panels
    z, log_cell = stretch((-1 + half * (2 * np.arange(panels)[:, None] + 1 + x)).ravel())
    both = z, half * np.tile(w, panels) * np.exp(log_cell)
    z, cell = (np.stack(np.meshgrid(*[a] * d, indexing="ij")).reshape(d, -1) for a in both)
    return z, cell, np.log(cell).sum(0)


def survey(key: Any, target: Any, data: Any, beta: Any, joint: Any, slopes: bool) -> tuple[Map, np.ndarray, np.ndarray]:
    """A map that puts the posterior into the middle of the square, its peaks in t, and their widths there."""
    d = target.dimension
    draws = np.asarray(_draws(key, target, data), np.float64)
    draws = np.sort(np.where(np.isfinite(draws), draws, 0.0), axis=0)
    low, centre, high = draws[np.array([0.16 * DRAWS, 0.5 * DRAWS, 0.84 * DRAWS], int)]  # of a normal: one sd away
    spread = np.maximum((high - low) / 2, 1e-12 * (1 + np.abs(centre)))
    scale, panels = spread / STRETCH, SURVEY[d] if slopes else min(SURVEY[d], COARSE)
    while True:
        z, cell, log_area = lattice(d, panels)
        u = centre[:, None] + scale[:, None] * z
        height = joint(u).astype(np.float64)
        square = height.reshape([NODES * panels] * d)
        peak = (square == maximum_filter(square, 3, mode="nearest")) & (square > -np.inf)
        if panels == SURVEY[d] or alone(square):
            break
        panels = SURVEY[d]
    if not peak.any():
        return Map(centre, np.diag(spread)), np.zeros((0, d)), np.zeros((0, d))
    step, result = 2 * spread / (NODES * panels), jnp.result_type(float)
    climb = (
        partial(_climbs.climbs, target, data, beta, spread=spread.astype(result))
        if slopes
        else partial(crests, joint, step)
    )
    end, value, curvature = summits(climb, u.T[peak.ravel()], height[peak.ravel()], spread)
    precision = curvature + np.diag(spread**-2)
    log_normal = d / 2 * np.log(2 * np.pi) - value - np.log(np.linalg.det(precision)) / 2
    log_mass = np.concatenate([height + log_area + np.log(scale).sum(), log_normal])
    share = np.exp(log_mass - log_sum(log_mass))
    away = np.concatenate([u, end.T], axis=1)
    mean = away @ share
    away -= mean[:, None]
    covariance = (away * share) @ away.T
    covariance += np.diag(scale**2 * (cell**2 @ share[: height.size]) / 12)
    covariance += np.tensordot(share[height.size :], np.linalg.inv(precision), 1)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    turned = np.linalg.cholesky(correlation) if np.abs(correlation - np.eye(d)).max() > CORRELATED else np.eye(d)
    plane = Map(mean, sd[:, None] * turned)
    some = log_mass[height.size :] > log_mass.max() - SMALL
    at = plane.t(end[some])
    steep = np.einsum("ki,skl,li->si", plane.factor, curvature[some], plane.factor)  # the curvature along each z
    return plane, at, np.exp(-stretch(at)[1]) / np.sqrt(np.maximum(steep, 1e-12))


def alone(height: np.ndarray) -> bool:
    """Whether a survey of one parameter has one peak that may matter: a parabola rises by less than half its falls."""
    fall = np.abs(np.diff(height))
    fall[~np.isfinite(fall)] = 0.0  # an edge, no slope
    middle = height[1:-1]
    peak = (middle >= height[:-2]) & (middle >= height[2:])
    return int((middle + np.maximum(fall[:-1], fall[1:]) / 2 > height.max() - SMALL)[peak].sum()) == 1


def crests(joint: Any, step: np.ndarray, u: np.ndarray) -> _climbs.Climbs:
    """Where climbs from `(peaks, d)` by values alone end: from the best of the points around, closer and closer."""
    peaks, d = u.shape
    offset = np.stack(np.meshgrid(*[np.arange(-2.0, 3.0)] * d, indexing="ij"), -1).reshape(-1, d)
    middle, next_ = len(offset) // 2, [5 ** (d - 1 - j) for j in range(d)]  # places of the point itself; of neighbours
    step, arrived = np.tile(step, (peaks, 1)), np.zeros(peaks, bool)
    for _ in range(CLOSER):
        height = joint((u[:, None] + step[:, None] * offset).reshape(-1, d).T).reshape(peaks, -1)
        best = np.where(arrived, middle, height.argmax(1))
        sides = np.stack([np.minimum(height[:, middle - k], height[:, middle + k]) for k in next_], 1)
        low = height[:, middle, None] - sides > CREST
        arrived = (best == middle) & ~low.any(1)
        if arrived.all():
            break
        u = u + step * offset[best]
        step = np.where((best == middle)[:, None] & low, step / 3, step)
    top = height[:, middle]
    falls = [(2 * top - height[:, middle - k] - height[:, middle + k]) / step[:, j] ** 2 for j, k in enumerate(next_)]
    curvature = np.maximum(np.stack(falls, 1), 0)[:, :, None] * np.eye(d)
    return _climbs.Climbs(u, -top, curvature, arrived)


def summits(climb: Any, u: np.ndarray, height: np.ndarray, spread: np.ndarray) -> Any:
    """Where climbs from peaks of a grid end, with losses and curvatures: from the highest, then the unexplained."""
    dtype, excess = jnp.result_type(float), height
    found = [np.zeros((0, *[len(spread)] * k)) for k in (1, 0, 2)]
    for _ in range(ROUNDS):
        first = np.argsort(-excess)[:PEAKS]
        top = climb(np.resize(u[first], (PEAKS, u.shape[1])).astype(dtype))
        *top, arrived = (np.asarray(a, np.float64) for a in top)
        good = (arrived > 0) & (np.linalg.eigvalsh(np.nan_to_num(top[2]) + np.diag(spread**-2)).min(1) > 0)
        found = [np.concatenate([a, b[good]]) for a, b in zip(found, top, strict=True)]
        u, height = np.delete(u, first, 0), np.delete(height, first)
        if not len(u):
            break
        away = u[:, None] - found[0]
        normal = -found[1] - np.einsum("ski,kij,skj->sk", away, found[2], away) / 2
        excess = height - normal.max(1, initial=-np.inf)
        u, height, excess = (a[excess > 1] for a in (u, height, excess))
        if not len(u):
            break
    return found
