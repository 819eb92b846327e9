r"""Panels of a square, measured by a Gauss-Lobatto rule and halved where they are worst (floor 0).

$$\int_{\mathbb{R}^d} e^{\ell(u)}\,du = \int_{(-1, 1)^d} e^{\ell(u(t))} \left|\frac{du}{dt}\right| dt, \qquad
u(t) = c + L z, \quad z_j = \frac{3\, t_j}{1 - t_j^2}$$

What a panel shows need not be what it holds. The ends of a panel are among its nodes, so that no edge of the density
hides between the last node of a panel and the first of the next. Around every known peak, panels are cut down to its
width before anything is measured; and a panel that is much longer than one with mass beside it is cut as well, so that
a ridge is followed from panel to panel, however thin.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre

NODES, STRETCH, CHUNK = 8, 3.0, 256  # of a panel along each axis; so that a normal is smooth in t; compared at a time
ACCURACY, NEARLY = 5e-4, 1e-2  # relative error to stop at; below which a round also halves what may hide something
ROUND, FINEST = 512, 1e-12  # panels halved in a round; shortest halved
OUTERMOST = 1e-9  # how far from the boundary of the square, which is at infinity, its last nodes are
DECAY = 16.0  # error of a panel: twice its two last coefficients, and less by DECAY times their ratio to the two before
WIDE, NEAR = 8.0, 4.0  # standard deviations of a peak that a panel may be long, and how far around it
MASS, LONG = 1e-9, 2.5  # share of the evidence that is some; how much longer than one with mass its neighbours may be

LAST = np.eye(NODES)[-1]  # the Legendre polynomial of degree NODES - 1: its extrema and both ends are the nodes
X = np.concatenate([[-1.0], np.sort(legendre.legroots(legendre.legder(LAST)).real), [1.0]])
W = 2 / (NODES * (NODES - 1) * legendre.legval(X, LAST) ** 2)
LEGENDRE = np.linalg.inv(np.sqrt(2 * np.arange(NODES) + 1) * legendre.legvander(X, NODES - 1))  # f to coefficients
X, W = (X + 1) / 2, W / 2  # on [0, 1]
WEIGHTS = np.ones(1), W, np.outer(W, W).ravel()  # of the nodes of a point, a line and a square
K = np.arange(NODES)[:, None]  # which coefficient: all, the two before the last two, the last two
PARTS = np.hstack([K >= 0, (K >= NODES - 4) & (K < NODES - 2), K >= NODES - 2]).astype(float)


class Map(NamedTuple):
    """From the square to the plane."""

    centre: np.ndarray
    factor: np.ndarray

    def t(self, u: np.ndarray) -> np.ndarray:
        """Where u comes from."""
        z = np.linalg.solve(self.factor, (u - self.centre).T).T
        return np.clip(2 * z / (STRETCH + np.sqrt(STRETCH**2 + 4 * z**2)), -1 + FINEST, 1 - FINEST)


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
        low, side, axes = (np.concatenate(a) for a in ((low, upper), (side, side[marked]), (axes, axes[marked])))
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
    """Mass and error of each panel, the error by its Legendre coefficients along each axis; either may be zero.

    `joint` takes the nodes axis by axis, `(d, nodes)`: NumPy is slow where the last axis is short.
    """
    many, d = low.shape
    z, log_cell = stretch(np.clip(low[..., None] + side[..., None] * X, OUTERMOST - 1, 1 - OUTERMOST))
    axes = [(many, *(NODES if k == j else 1 for k in range(d))) for j in range(d)]
    z, log_cell = ([a[:, j].reshape(axes[j]) for j in range(d)] for a in (z, log_cell))
    u = np.empty((d, many, *[NODES] * d))
    for j in range(d):
        u[j] = sum((plane.factor[j, k] * z[k] for k in range(d)), plane.centre[j])
    log_f = joint(u.reshape(d, -1)).reshape(u.shape[1:])
    top = log_f.reshape(many, -1).max(1)
    noise = np.where(np.isfinite(top), 2 * np.finfo(log_f.dtype).eps * np.abs(top), 0.0)  # is no roughness
    log_f = sum(log_cell, log_f)
    top = log_f.reshape(many, -1).max(1)
    f = np.exp(log_f - np.where(np.isfinite(top), top, 0.0).reshape(-1, *[1] * d))
    lines = np.stack([f.swapaxes(j, -1) for j in range(1, d + 1)])
    sizes = np.sqrt((lines.reshape(-1, NODES) @ LEGENDRE.T) ** 2 @ PARTS)
    whole, before, last = sizes.T.reshape(3, d, many, -1)
    last = np.maximum(last - noise[:, None] * whole, 0.0)
    errors = 2 * last * np.minimum(DECAY * last / np.maximum(before, 1e-300), 1.0) @ WEIGHTS[d - 1]
    mass = f.reshape(many, -1) @ WEIGHTS[d]
    scale = top + np.log(side).sum(1) + np.log(np.diagonal(plane.factor)).sum()
    return Panels(low, side, np.log(mass) + scale, np.log(errors.T) + scale[:, None])


def adapt(joint: Any, spent: Any, plane: Map, low: np.ndarray, side: np.ndarray) -> tuple[Panels, bool]:
    """Panels halved until their errors are small and none hides anything; and whether none does."""
    panels = measure(joint, plane, low, side)
    while np.isfinite(log_z := log_sum(panels.log_mass)):
        behind = panels.log_mass > log_z + np.log(MASS)
        share = np.exp(panels.log_error - log_z)
        axes = worst(share)
        if share.sum() < NEARLY:
            axes |= hidden(panels, behind, panels.side / (1 + axes))
        axes &= panels.side > FINEST
        marked = axes.any(1)
        if not marked.any():
            return panels, True
        if spent() > 1:
            return panels, not hidden(panels, behind, panels.side).any()
        new = measure(joint, plane, *cut(panels.low[marked], panels.side[marked], axes[marked]))
        panels = Panels(*(np.concatenate([a[~marked], b]) for a, b in zip(panels, new, strict=True)))
    return panels, False


def worst(share: np.ndarray) -> np.ndarray:
    """The fewest panels without which the others are accurate, and along which axes to halve them."""
    each, axes = share.sum(1), np.zeros(share.shape, bool)
    if each.sum() <= ACCURACY:
        return axes
    order = np.argsort(-each)
    many = int(np.argmax(each.sum() - np.cumsum(each[order]) <= ACCURACY / 2)) + 1
    chosen = order[: min(many, ROUND)]
    axes[chosen] = share[chosen] > 0.1 * share[chosen].max(1, keepdims=True)
    return axes


def hidden(panels: Panels, some: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Which panels touch one with mass and are much longer than it, once all have these sides, and along which axes."""
    axes = np.zeros(side.shape, bool)
    long = np.flatnonzero((side > LONG * side[some].min(0)).any(1))
    if not len(long):
        return axes
    short = np.flatnonzero(some & (LONG * side < side.max(0)).any(1))
    half, middle = panels.side.T * (0.5 + 1e-9), panels.low.T + panels.side.T / 2
    for first in range(0, len(short), CHUNK):
        rows = short[first : first + CHUNK, None]
        touch = np.logical_and.reduce(
            [np.abs(m[rows] - m[long]) <= h[rows] + h[long] for m, h in zip(middle, half, strict=True)]
        )
        for j, s in enumerate(side.T):
            axes[long, j] |= (touch & (s[long] > LONG * s[rows])).any(0)
    return axes


def log_sum(a: np.ndarray) -> float:
    top = a.max()
    return float(top + np.log(np.exp(a - top).sum())) if np.isfinite(top) else float(top)
