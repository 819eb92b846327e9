r"""A proposal that covers what particles found: the second estimate beside tempering (floor 3).

Up to six Student distributions, fitted to half of the islands by expectation and maximization and once more to draws of
their own with their weights, follow labels, branches and bends that one normal does not; wide draws and draws from the
prior surround them. The weights have corrected how the particles were shared out among the modes that they met, so that
bridge sampling to the other half of the islands hardly depends on it.
"""

import warnings
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt import _smc
from slt._arrays import SltWarning
from slt._modes import FREEDOM, draw_student, log_student
from slt.energy import FreeEnergy, bridge_sampling

EACH = 10  # draws' worth per parameter that each part is fitted to, at least
PARTS, FIRST, AGAIN = 6, 20, 5  # Student distributions; rounds of their fit to particles, and to weighted draws
STRATA, WIDE = (1664, 192, 192), 3.0  # draws from them, from around all of them, this much wider, and from the prior


def bridge(key: Any, target: Any, data: Any, beta: float, climb: _smc.Climb) -> FreeEnergy:
    """Bridge sampling between the cover and the islands that it was not fitted to."""
    at_draws, at_proposals = map(np.asarray, ratios(key, target, data, jnp.asarray(beta, float), climb))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)  # its problems travel in the record
        return bridge_sampling(at_draws, at_proposals, beta=beta, chains=len(climb.u) // 2)


@partial(jax.jit, static_argnames="target")
def ratios(key: Any, target: Any, data: Any, beta: Any, climb: _smc.Climb) -> tuple[Any, Any]:
    """Log ratios of the joint density to the cover: at the islands that it was not fitted to, at its own draws."""
    d, half = target.dimension, len(climb.u) // 2
    fitted, met = climb.u[:half].reshape(-1, d), climb.u[half:].reshape(-1, d)
    centre, chol = fitted.mean(0), _smc.cholesky(fitted, climb.chol)

    def whiten(u):
        return jax.scipy.linalg.solve_triangular(chol, (u - centre).T, lower=True).T

    shares, log_det = jnp.log(jnp.array(STRATA) / sum(STRATA)), jnp.log(jnp.diagonal(chol)).sum()

    def ratio(parts, z, log_prior, log_lik):
        near = logsumexp(_each(z, *parts[:2])[0] + parts[2], axis=1)
        wide = log_student((z**2).sum(1) / WIDE**2, d * jnp.log(WIDE), d)
        log_q = jnp.stack([near - log_det, wide - log_det, log_prior], axis=1)
        r = log_prior + beta * log_lik - logsumexp(shares + log_q, axis=1)
        return jnp.where(jnp.isnan(r), -jnp.inf, r)

    def draw(key, parts):
        key_part, key_z, key_prior = jax.random.split(key, 3)
        standard = draw_student(key_z, STRATA[0] + STRATA[1], d, chol.dtype)
        part = jax.random.categorical(key_part, parts[2], shape=(STRATA[0],))
        z = parts[0][part] + jnp.einsum("sij,sj->si", parts[1][part], standard[: STRATA[0]])
        around = WIDE * standard[STRATA[0] :]
        prior = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key_prior, STRATA[2]))
        u = jnp.concatenate([centre + jnp.concatenate([z, around]) @ chol.T, prior])
        z = whiten(u)
        return z, ratio(parts, z, *_smc.evaluate(target, data, u, values=True))

    keys, z = jax.random.split(key), whiten(fitted)
    count = int(np.clip(len(z) // (EACH * d), 1, PARTS))
    mean = z[np.linspace(0, len(z) - 1, count).astype(int)]
    parts = mean, jnp.tile(jnp.eye(d, dtype=z.dtype), (count, 1, 1)), jnp.full(count, -np.log(count), z.dtype)
    parts = fit(z, jnp.full(len(z), 1 / len(z), z.dtype), parts, FIRST)

    def drawn(parts, key):
        z, r = draw(key, parts)
        weights = jax.nn.softmax(r)
        again = fit(z, weights, parts, AGAIN)
        fine = jnp.array([jnp.isfinite(a).all() for a in again]).all() & ((weights**2).sum() * EACH * d < 1)
        return jax.tree.map(lambda a, b: jnp.where(fine, a, b), again, parts), (parts, r)

    # Twice, the second time from the parts that were fitted to the first; a loop, so that it is compiled once.
    parts, r = jax.tree.map(lambda a: a[1], jax.lax.scan(drawn, parts, keys)[1])
    return ratio(parts, whiten(met), climb.log_prior[half:].ravel(), climb.log_lik[half:].ravel()), r


def fit(z: Any, weights: Any, parts: tuple[Any, Any, Any], rounds: int) -> tuple[Any, Any, Any]:
    """Means, factors of the scales and log shares of the parts, fitted to whitened draws `(draws, d)` with weights."""
    d, one = z.shape[1], (weights**2).sum()  # the weight of one draw
    pseudo = 2 * d * one  # draws' worth of a small round scale: no part shrinks to a point

    def round_(_, state):
        mean, chol, log_share = state
        log_q, square = _each(z, mean, chol)
        mine = jax.nn.softmax(log_q + log_share, axis=1) * weights[:, None]
        weight = mine * (FREEDOM + d) / (FREEDOM + square)
        share = mine.sum(0)
        mean = (weight.T @ z) / jnp.maximum(weight.sum(0), 1e-30)[:, None]
        away = jnp.sqrt(weight).T[:, :, None] * (z - mean[:, None])
        scale = away.mT @ away + 0.1 * pseudo * jnp.eye(d, dtype=z.dtype)
        chol = jnp.linalg.cholesky(scale / (share + pseudo)[:, None, None])
        return mean, chol, jnp.log((share + one) / (1 + len(mean) * one))

    return jax.lax.fori_loop(0, rounds, round_, parts)


def _each(z: Any, mean: Any, chol: Any) -> tuple[Any, Any]:
    """Log-density of each part and squared distance from it, `(draws, parts)`."""

    d = z.shape[1]
    inverse = jax.scipy.linalg.solve_triangular(
        chol, jnp.broadcast_to(jnp.eye(d, dtype=z.dtype), chol.shape), lower=True
    )
    square = ((jnp.einsum("sj,kij->ski", z, inverse) - jnp.einsum("kj,kij->ki", mean, inverse)) ** 2).sum(2)
    return log_student(square, jnp.log(jnp.diagonal(chol, axis1=1, axis2=2)).sum(1), d), square
