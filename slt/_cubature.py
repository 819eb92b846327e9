r"""The free energy of one or two parameters by adaptive quadrature: no chance in it, and an error of its own (floor 3).

$$Z_n(\beta) = \int_{(-1, 1)^d} e^{\ell(u(t))} \left|\frac{du}{dt}\right| dt, \qquad
u(t) = c + L z, \quad z_j = \frac{3\, t_j}{1 - t_j^2}$$

where $\ell$ is the log of prior times likelihood to the power $\beta$ in unconstrained coordinates: the whole plane, so
that no box has to be chosen. A survey on a grid as wide as the prior, and climbs from its peaks, say where $c$ and $L$
should be. Panels with a Gauss-Legendre rule of eight nodes an axis are then halved where they are worst.

What a panel shows need not be what it holds. Around every peak, panels are cut down to its width before anything is
measured; and a panel that is much longer than one with mass beside it is cut as well, so that a ridge is followed from
panel to panel, however thin.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre
from scipy.ndimage import maximum_filter

from slt import _climbs, _smc
from slt.energy import FreeEnergy

METHOD, LARGEST = "adaptive quadrature", 2  # parameters
NODES, BATCH, CHUNK = 8, 1024, 256  # of a panel along each axis; evaluated in one call; panels compared at a time
SURVEY, PEAKS, ROUNDS = {1: 512, 2: 8}, 16, 4  # panels of the survey along each axis; climbs from its peaks
FIRST, STRETCH = {1: 16, 2: 4}, 3.0  # panels along each axis to begin with; so that a normal density is smooth in t
ACCURACY, ENOUGH, MOST = 1e-4, 1e-2, 4096  # relative error to stop at, and to be content with; panels at most
HIGHEST, SMOOTH = 4, 2.5  # error of a panel: size * (twice the share of so many highest coefficients) ** SMOOTH
WIDE, NEAR = 8.0, 4.0  # standard deviations of a peak that a panel may be long, and how far around it
MASS, LONG = 1e-9, 2.5  # share of the evidence that is some; how much longer than one with mass its neighbours may be
CORRELATED = 0.5  # beyond it the axes are turned; below, edges along the axes stay so
SMALL = 30.0  # nats below the highest peak, where another one does not matter

X, W = legendre.leggauss(NODES)
LEGENDRE = (np.sqrt(2 * np.arange(NODES) + 1) * legendre.legvander(X, NODES - 1)).T * W / 2  # f to coefficients
X, W = (X + 1) / 2, W / 2  # on (0, 1)


class Map(NamedTuple):
    """From the square to the plane."""

    centre: np.ndarray
    factor: np.ndarray

    def t(self, u: np.ndarray) -> np.ndarray:
        """Where u comes from."""
        z = np.linalg.solve(self.factor, (u - self.centre).T).T
        return 2 * z / (STRETCH + np.sqrt(STRETCH**2 + 4 * z**2))


class Panels(NamedTuple):
    """Boxes in t, `(panels, d)`, the log of the mass of each, and of its error along each axis."""

    low: np.ndarray
    side: np.ndarray
    log_mass: np.ndarray
    log_error: np.ndarray


def stretch(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z, and the log of dz/dt."""
    inside = 1 - t**2
    return STRETCH * t / inside, np.log(STRETCH * (1 + t**2) / inside**2)


@partial(jax.jit, static_argnames="target")
def _joint(target, data, beta, u):
    log_prior, log_lik = _smc.evaluate(target, data, u, values=True)
    value = log_prior + beta * log_lik
    return jnp.where(jnp.isnan(value), -jnp.inf, value)


def free_energy(key: Any, target: Any, data: Any, beta: float) -> FreeEnergy:
    """The free energy, `se` being the quadrature's own bound of its error; with a problem where that is not small."""
    at, dtype, d = jnp.asarray(beta, float), jnp.result_type(float), target.dimension
    if d > LARGEST:
        why = f"quadrature serves models of one or two unconstrained parameters; this one has {d}."
        return FreeEnergy(np.nan, np.nan, beta, METHOD, (why,))
    counted = []

    def joint(u):
        counted.append(len(u))
        rows = [np.resize(u[i : i + BATCH], (BATCH, d)).astype(dtype) for i in range(0, len(u), BATCH)]
        found = [_joint(target, data, at, r) for r in rows]
        return np.concatenate(found)[: len(u)].astype(np.float64)

    plane, peaks, widths = survey(key, target, data, at, joint)
    panels, finished = adapt(joint, plane, *around(*grid(FIRST[d], d), peaks, widths))
    log_z = _log_sum(panels.log_mass)
    if not np.isfinite(log_z):
        why = f"the log evidence is {log_z}: no node of the quadrature gives the data a positive and finite density."
        return FreeEnergy(np.nan, np.nan, beta, METHOD, (why,))
    error = float(np.exp(_log_sum(panels.log_error.ravel()) - log_z))
    rounding = 4 * float(jnp.finfo(dtype).eps) * (abs(log_z) + target.size)
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
    return FreeEnergy(-log_z / beta, (error + rounding) / beta, beta, METHOD, problems, diagnostics)


def survey(key: Any, target: Any, data: Any, beta: Any, joint: Any) -> tuple[Map, np.ndarray, np.ndarray]:
    """A map that puts the posterior into the middle of the square, its peaks in t, and their widths there."""
    d = target.dimension
    draws = np.asarray(_climbs.draws_of_prior(key, target, data)[0], np.float64)
    low, centre, high = np.quantile(np.where(np.isfinite(draws), draws, 0.0), [0.16, 0.5, 0.84], axis=0)
    spread = np.maximum((high - low) / 2, 1e-12 * (1 + np.abs(centre)))
    side = 2.0 / SURVEY[d]
    z, log_cell = stretch((-1 + side * (np.arange(SURVEY[d])[:, None] + X)).ravel())
    cell = side * np.tile(W, SURVEY[d]) * np.exp(log_cell)
    z, cell = (np.stack(np.meshgrid(*[a] * d, indexing="ij"), -1).reshape(-1, d) for a in (z, cell))
    u, cell = centre + spread / STRETCH * z, spread / STRETCH * cell
    height = joint(u)
    square = height.reshape([NODES * SURVEY[d]] * d)
    peak = (square == maximum_filter(square, 3, mode="nearest")) & (square > -np.inf)
    if not peak.any():
        return Map(centre, np.diag(spread)), np.zeros((0, d)), np.zeros((0, d))
    end, value, curvature = summits(target, data, beta, u[peak.ravel()], height[peak.ravel()], spread)
    precision = curvature + np.diag(spread**-2)
    log_mass = np.concatenate(
        [height + np.log(cell).sum(1), d / 2 * np.log(2 * np.pi) - value - np.log(np.linalg.det(precision)) / 2]
    )
    share = np.exp(log_mass - _log_sum(log_mass))
    where = np.concatenate([u, end])
    mean = share @ where
    covariance = ((where - mean).T * share) @ (where - mean)
    covariance += np.diag(share[: len(u)] @ cell**2 / 12) + np.tensordot(share[len(u) :], np.linalg.inv(precision), 1)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    turned = np.linalg.cholesky(correlation) if np.abs(correlation - np.eye(d)).max() > CORRELATED else np.eye(d)
    plane = Map(mean, sd[:, None] * turned)
    some = log_mass[len(u) :] > log_mass.max() - SMALL
    at = plane.t(end[some])
    steep = np.einsum("ki,skl,li->si", plane.factor, curvature[some], plane.factor)  # the curvature along each z
    return plane, at, np.exp(-stretch(at)[1]) / np.sqrt(np.maximum(steep, 1e-12))


def summits(target: Any, data: Any, beta: Any, u: np.ndarray, height: np.ndarray, spread: np.ndarray) -> Any:
    """Where climbs from peaks of a grid end, with losses and curvatures: from the highest, then from unexplained ones."""
    dtype, excess = jnp.result_type(float), height
    found = [np.zeros((0, *[len(spread)] * k)) for k in (1, 0, 2)]
    for _ in range(ROUNDS):
        first = np.argsort(-excess)[:PEAKS]
        top = _climbs.climbs(target, data, beta, np.resize(u[first], (PEAKS, u.shape[1])).astype(dtype), spread.astype(dtype))
        *top, arrived = (np.asarray(a, np.float64) for a in top)
        good = (arrived > 0) & (np.linalg.eigvalsh(np.nan_to_num(top[2]) + np.diag(spread**-2)).min(1) > 0)
        found = [np.concatenate([a, b[good]]) for a, b in zip(found, top, strict=True)]
        u, height = np.delete(u, first, 0), np.delete(height, first)
        away = u[:, None] - found[0]
        normal = -found[1] - np.einsum("ski,kij,skj->sk", away, found[2], away) / 2
        excess = height - normal.max(1, initial=-np.inf)
        u, height, excess = (a[excess > 1] for a in (u, height, excess))
        if not len(u):
            break
    return found


def grid(many: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal panels."""
    line = -1 + 2 / many * np.arange(many)
    low = np.stack(np.meshgrid(*[line] * d, indexing="ij"), -1).reshape(-1, d)
    return low, np.full_like(low, 2 / many)


def cut(low: np.ndarray, side: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each panel halved along the axes that are marked."""
    for j in range(low.shape[1]):
        marked = axes[:, j]
        side = side.copy()
        side[marked, j] /= 2
        upper = low[marked]
        upper[:, j] += side[marked, j]
        low, side, axes = (
            np.concatenate(a) for a in ((low, upper), (side, side[marked]), (axes, axes[marked]))
        )
    return low, side


def around(low: np.ndarray, side: np.ndarray, peaks: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Panels cut, where a peak is near, until none is long against its width."""
    at, width = peaks[:, None], np.maximum(widths, 1e-9)[:, None]
    while True:
        near = (np.abs(at - low - side / 2) <= side / 2 + NEAR * width).all(-1, keepdims=True)
        axes = (near & (side > WIDE * width)).any(0)
        if not axes.any():
            return low, side
        low, side = cut(low, side, axes)


def measure(joint: Any, plane: Map, low: np.ndarray, side: np.ndarray) -> Panels:
    """Mass and error of each panel, the error by its Legendre coefficients along each axis."""
    d = low.shape[1]
    z, log_cell = stretch(low[:, None] + side[:, None] * X[:, None])  # (panels, NODES, d)
    node = np.indices([NODES] * d).reshape(d, -1)
    z, log_cell = (np.stack([a[:, node[j], j] for j in range(d)], -1) for a in (z, log_cell))
    log_f = joint((plane.centre + z @ plane.factor.T).reshape(-1, d)).reshape(len(low), -1) + log_cell.sum(-1)
    top = log_f.max(1)
    f = np.exp(log_f - np.where(np.isfinite(top), top, 0.0)[:, None]).reshape(len(low), NODES, -1)
    errors = []
    for a in (LEGENDRE @ f, np.swapaxes(f @ LEGENDRE.T, 1, 2) if d == 2 else None)[:d]:
        size, high = (np.sqrt((part * part).sum(1)) for part in (a, a[:, -HIGHEST:]))
        each = size * (2 * high / np.maximum(size, 1e-300)) ** SMOOTH
        errors.append(each @ W if d == 2 else each[:, 0])
    mass = (W @ f) @ W if d == 2 else (W @ f)[:, 0]
    scale = top + np.log(side).sum(1) + np.log(np.diagonal(plane.factor)).sum()
    with np.errstate(divide="ignore"):
        return Panels(low, side, np.log(mass) + scale, np.log(np.stack(errors, 1)) + scale[:, None])


def adapt(joint: Any, plane: Map, low: np.ndarray, side: np.ndarray) -> tuple[Panels, bool]:
    """Panels halved until their errors are small and none hides anything; and whether none does."""
    panels = measure(joint, plane, low, side)
    while np.isfinite(log_z := _log_sum(panels.log_mass)):
        behind = panels.log_mass > log_z + np.log(MASS)
        axes = worst(np.exp(panels.log_error - log_z))
        if not axes.any():
            axes = hidden(panels, behind)
        marked = axes.any(1)
        if not marked.any():
            return panels, True
        if len(panels.low) > MOST:
            return panels, not hidden(panels, behind).any()
        new = measure(joint, plane, *cut(panels.low[marked], panels.side[marked], axes[marked]))
        panels = Panels(*(np.concatenate([a[~marked], b]) for a, b in zip(panels, new, strict=True)))
    return panels, False


def worst(share: np.ndarray) -> np.ndarray:
    """The fewest panels without which the others are accurate, and along which axes to halve them."""
    each = share.sum(1)
    order = np.argsort(-each)
    rest = each.sum() - np.cumsum(each[order])
    many = 0 if each.sum() <= ACCURACY else int(np.argmax(rest <= ACCURACY / 2)) + 1
    axes = np.zeros(share.shape, bool)
    chosen = order[: min(many, MOST // 8)]
    axes[chosen] = share[chosen] > 0.1 * share[chosen].max(1, keepdims=True)
    return axes


def hidden(panels: Panels, some: np.ndarray) -> np.ndarray:
    """Which panels touch one with mass and are much longer than it, and along which axes."""
    side, middle, axes = panels.side, panels.low + panels.side / 2, np.zeros(panels.low.shape, bool)
    long = np.flatnonzero((side > LONG * side[some].min(0)).any(1))
    short = np.flatnonzero(some & (LONG * side < side.max(0)).any(1))
    for first in range(0, len(short), CHUNK):
        rows = short[first : first + CHUNK, None]
        gaps = [np.abs(m[rows] - m[long]) - (s[rows] + s[long]) * (0.5 + 1e-9) for m, s in zip(middle.T, side.T, strict=True)]
        touch = np.max(gaps, axis=0) <= 0
        for j, s in enumerate(side.T):
            axes[long, j] |= (touch & (s[long] > LONG * s[rows])).any(0)
    return axes


def _log_sum(a: np.ndarray) -> float:
    top = a.max()
    return float(top + np.log(np.exp(a - top).sum())) if np.isfinite(top) else float(top)
