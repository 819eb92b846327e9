r"""Whether a posterior has one mode: climbs from many places, and where they end (floor 2).

A first round climbs from draws of the prior by Newton steps. The other draws, and places around the mode that was
found, take a few steps with the curvature at that mode; what these do not lead home climbs by Newton steps too.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from slt import _smc

STARTS, ROUND, STEPS = 1024, 64, 100  # climbs, those by Newton by the round; steps of each of those at most
NEAR, AROUND, QUICK = 256, 2.0, 8  # climbs from around the mode, how far around; steps with its curvature at most
ARRIVED, ROUNDING = 1e-8, 4  # nats to be gained by a further step; as a multiple of the rounding of the height
OWN = 2**20  # this number and the next one make keys for the search, apart from those that the key is split into
LARGEST = 64  # parameters, beyond which the curvature costs more than the tempering
ONE = 0.1  # squared distance, by the curvature, within which two ends are the same


class Climbs(NamedTuple):
    """Where climbs ended, and whether at a minimum."""

    end: Any
    value: Any
    curvature: Any
    arrived: Any


def newton(loss: Any, start: Any, spread: Any) -> Climbs:
    """A minimum by damped Newton steps."""

    def look(u):
        return loss(u), jax.grad(loss)(u), jax.hessian(loss)(u)

    def rest(value):
        """The gain of a further step that does not matter, or that rounding hides."""
        return jnp.maximum(ARRIVED, ROUNDING * jnp.finfo(start.dtype).eps * jnp.abs(value))

    def unfinished(state):
        _, (value, _, _), _, gain, k = state
        return (k < STEPS) & (gain > rest(value)) & jnp.isfinite(value)

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
    return Climbs(u, value, curvature, jnp.isfinite(value) & (gain <= rest(value)))


@partial(jax.jit, static_argnames="target")
def climbs(target: Any, data: Any, beta: Any, starts: Any, spread: Any) -> Climbs:
    """A round of climbs by Newton steps."""
    loss = partial(_loss, target, data, beta)
    tile = max(1, _smc.TILE // (max(target.size, target.dimension) * target.dimension))
    return jax.lax.map(lambda u: newton(loss, u, spread), starts, batch_size=min(tile, ROUND))


@partial(jax.jit, static_argnames="target")
def begin(key: Any, target: Any, data: Any, beta: Any) -> tuple[Any, Any, Climbs]:
    """Draws of the prior where climbs start, how far these places spread, and the first round of climbs."""
    u = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(jax.random.fold_in(key, OWN), STARTS))
    spread = jnp.where(jnp.isfinite(u), u, 0.0).std(0)
    return u, spread, climbs(target, data, beta, u[:ROUND], spread)


@partial(jax.jit, static_argnames="target")
def descend(key: Any, target: Any, data: Any, beta: Any, starts: Any, top: Climbs) -> tuple[Any, Any]:
    """The other starts, some around the mode, and which of them a few steps with the curvature there lead to it."""
    key = jax.random.fold_in(key, OWN + 1)
    starts, mode, chol = starts[ROUND:], top.end, jnp.linalg.cholesky(top.curvature)
    z = AROUND * jax.random.normal(key, (NEAR, len(mode)), mode.dtype)
    starts = jnp.concatenate([starts, mode + jax.scipy.linalg.solve_triangular(chol.T, z.T, lower=False).T])

    def look(u):
        gradient, log_prior, log_lik = _smc.evaluate(target, data, u, beta=beta)
        value = log_prior + beta * log_lik
        return jnp.where(jnp.isnan(value), -jnp.inf, value), jax.scipy.linalg.cho_solve((chol, True), gradient.T).T

    def home(u):
        return ((chol.T @ (u - mode).T) ** 2).sum(0) < ONE

    def arrived(u, at, share):
        """At home, or the next step leads there from no higher than home is: that it climbs needs no look."""
        value, move = at
        return (home(u) | home(u + share[:, None] * move) & (value <= -top.value - ONE / 2)) & jnp.isfinite(value)

    def unfinished(state):
        u, at, share, k = state
        return (k < QUICK) & ~arrived(u, at, share).all()

    def step(state):
        u, (value, move), share, k = state
        new_u = u + share[:, None] * move
        new = look(new_u)
        better = new[0] >= value
        u, move = (jnp.where(better[:, None], a, b) for a, b in ((new_u, u), (new[1], move)))
        share = jnp.where(better, jnp.minimum(1.0, 2 * share), share / 4)
        return u, (jnp.where(better, new[0], value), move), share, k + 1

    state = starts, look(starts), jnp.ones(len(starts), mode.dtype), 0
    u, at, share, _ = jax.lax.while_loop(unfinished, step, state)
    return starts, arrived(u, at, share)


def _loss(target, data, beta, u):
    return -(target.log_prior(u, data) + beta * target.log_lik(u, data))


def search(key: Any, target: Any, data: Any, beta: float) -> tuple[Climbs | None, tuple[np.ndarray, np.ndarray]]:
    """The one place where all climbs ended, `None` if there are several; and the ends of the climbs with heights."""
    d = target.dimension
    if d > LARGEST:
        return None, (np.zeros((0, d)), np.zeros(0))
    at = np.asarray(beta, float)
    starts, spread, top = begin(key, target, data, at)
    tops = [Climbs(*map(np.asarray, top))]
    end, curvature = tops[0].end[0], tops[0].curvature[0]

    def one(top):
        away = top.end - end
        return top.arrived.all() and (np.einsum("si,ij,sj->s", away, curvature, away) < ONE).all()

    if not one(tops[0]):
        return None, _ends(tops)
    one_top = Climbs(*(a[0] for a in tops[0]))
    others, home = map(np.asarray, descend(key, target, data, at, starts, one_top))
    lost = np.flatnonzero(~home)
    for first in range(0, len(lost), ROUND):
        rows = np.resize(lost[first : first + ROUND], ROUND)
        tops.append(Climbs(*map(np.asarray, climbs(target, data, at, others[rows], spread))))
        if not one(tops[-1]):
            return None, _ends(tops)
    return one_top, _ends(tops[:1])


def ends(target: Any, data: Any, beta: float, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where climbs from `starts` arrive, and how high; by gradients alone where there are many parameters."""
    starts = starts[np.isfinite(starts).all(1)] if np.isfinite(starts).all(1).any() else np.zeros_like(starts)
    spread, at = np.maximum(starts.std(0), 1e-12), np.asarray(beta, float)
    if starts.shape[1] <= LARGEST:
        return _ends([Climbs(*map(np.asarray, climbs(target, data, at, starts, spread)))])

    def loss(z):
        value, gradient = _slope(target, data, at, jnp.asarray(z * spread, starts.dtype))
        if not np.isfinite(value):
            return 1e300, np.zeros_like(z)
        return float(value), spread * np.nan_to_num(np.asarray(gradient, dtype=np.float64), posinf=1e30, neginf=-1e30)

    tops = [optimize.minimize(loss, u / spread, jac=True, method="L-BFGS-B") for u in starts]
    return np.array([t.x * spread for t in tops if t.fun < 1e299]).reshape(-1, starts.shape[1]), np.array(
        [-t.fun for t in tops if t.fun < 1e299]
    )


@partial(jax.jit, static_argnames="target")
def _slope(target, data, beta, u):
    return jax.value_and_grad(partial(_loss, target, data, beta))(u)


def _ends(tops: list[Climbs]) -> tuple[np.ndarray, np.ndarray]:
    """The ends of climbs that arrived, and their heights."""
    found, values, arrived = (np.concatenate([getattr(t, name) for t in tops]) for name in ("end", "value", "arrived"))
    return found[arrived], -values[arrived]
