r"""A proposal that covers what particles found: the second estimate beside tempering (floor 3).

Six Student distributions, fitted to half of the islands by expectation and maximization, follow labels, branches and
bends that one normal does not; wide draws and draws from the prior keep every weight bounded where these end. Importance
sampling from it forgets how the particles were shared out among the modes that they met. Where its weights are not safe,
bridge sampling meets the other half of the islands instead.
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
from slt._modes import FREEDOM, log_student
from slt.energy import FreeEnergy, bridge_sampling, importance_sampling
from slt.energy.ratio import stratified

PARTS, ROUNDS = 6, 20  # Student distributions, and rounds of their fit
STRATA, WIDE = (1664, 192, 192), 3.0  # draws from them, from around all of them, this much wider, and from the prior
TAIL, WORTH = 0.5, 0.1  # Pareto k and share of the draws, beyond which importance sampling is not safe


def second(key: Any, target: Any, data: Any, beta: float, climb: _smc.Climb) -> FreeEnergy:
    """Importance sampling from the cover, or, where that is not safe, bridge sampling."""
    at_draws, at_proposals = map(np.asarray, ratios(key, target, data, jnp.asarray(beta, float), climb))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)  # its problems travel in the record
        if np.isfinite(at_proposals).sum() >= sum(STRATA) / 2:
            found = stratified(importance_sampling(at_proposals, beta=beta), at_proposals, STRATA)
            safe = found.diagnostics["pareto_k"] < TAIL and found.diagnostics["ess"] > WORTH * sum(STRATA)
            if found.ok and safe:
                return found
        return bridge_sampling(at_draws, at_proposals, beta=beta, chains=len(climb.u) // 2)


@partial(jax.jit, static_argnames="target")
def ratios(key: Any, target: Any, data: Any, beta: Any, climb: _smc.Climb) -> tuple[Any, Any]:
    """Log ratios of the joint density to the cover: at the islands that it was not fitted to, at its own draws."""
    d, half = target.dimension, len(climb.u) // 2
    fitted, met = climb.u[:half].reshape(-1, d), climb.u[half:].reshape(-1, d)
    centre, chol = fitted.mean(0), _smc.cholesky(fitted, climb.chol)

    def whiten(u):
        return jax.scipy.linalg.solve_triangular(chol, (u - centre).T, lower=True).T

    parts = fit(whiten(fitted))
    key_part, key_z, key_wide, key_prior = jax.random.split(key, 4)
    part = jax.random.categorical(key_part, parts[2], shape=(STRATA[0],))
    z = parts[0][part] + jnp.einsum("sij,sj->si", parts[1][part], _student(key_z, STRATA[0], d, chol.dtype))
    around = WIDE * _student(key_wide, STRATA[1], d, chol.dtype)
    prior = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key_prior, STRATA[2]))
    u = jnp.concatenate([centre + jnp.concatenate([z, around]) @ chol.T, prior])
    shares = jnp.log(jnp.array(STRATA) / sum(STRATA))

    def ratio(u, log_prior, log_lik):
        z, log_det = whiten(u), jnp.log(jnp.diagonal(chol)).sum()
        near = logsumexp(_each(z, parts[0], parts[1])[0] + parts[2], axis=1)
        wide = log_student((z**2).sum(1) / WIDE**2, d * jnp.log(WIDE), d)
        log_q = jnp.stack([near - log_det, wide - log_det, log_prior], axis=1)
        r = log_prior + beta * log_lik - logsumexp(shares + log_q, axis=1)
        return jnp.where(jnp.isnan(r), -jnp.inf, r)

    at_draws = ratio(met, climb.log_prior[half:].ravel(), climb.log_lik[half:].ravel())
    return at_draws, ratio(u, *_smc.evaluate(target, data, u, values=True))


def fit(z: Any) -> tuple[Any, Any, Any]:
    """Means, factors of the scales and log shares of the parts, fitted to whitened draws `(draws, d)`."""
    count, d = z.shape
    pseudo = 2 * d / count  # draws' worth of a small round scale: no part shrinks to a point

    def round_(_, state):
        mean, chol, log_share = state
        log_q, square = _each(z, mean, chol)
        mine = jax.nn.softmax(log_q + log_share, axis=1) / count
        weight = mine * (FREEDOM + d) / (FREEDOM + square)
        share = mine.sum(0)
        mean = (weight.T @ z) / jnp.maximum(weight.sum(0), 1e-30)[:, None]
        away = jnp.sqrt(weight).T[:, :, None] * (z - mean[:, None])
        scale = away.mT @ away + 0.1 * pseudo * jnp.eye(d, dtype=z.dtype)
        share_of_fit = (share + 1 / count) / (1 + PARTS / count)
        return mean, jnp.linalg.cholesky(scale / (share + pseudo)[:, None, None]), jnp.log(share_of_fit)

    mean = z[np.linspace(0, count - 1, PARTS).astype(int)]
    start = mean, jnp.tile(jnp.eye(d, dtype=z.dtype), (PARTS, 1, 1)), jnp.full(PARTS, -np.log(PARTS), z.dtype)
    return jax.lax.fori_loop(0, ROUNDS, round_, start)


def _each(z: Any, mean: Any, chol: Any) -> tuple[Any, Any]:
    """Log-density of each part and squared distance from it, `(draws, parts)`."""

    d = z.shape[1]
    inverse = jax.scipy.linalg.solve_triangular(chol, jnp.broadcast_to(jnp.eye(d, dtype=z.dtype), chol.shape), lower=True)
    square = ((jnp.einsum("sj,kij->ski", z, inverse) - jnp.einsum("kj,kij->ki", mean, inverse)) ** 2).sum(2)
    return log_student(square, jnp.log(jnp.diagonal(chol, axis1=1, axis2=2)).sum(1), d), square


def _student(key: Any, draws: int, d: int, dtype: Any) -> Any:
    z = jax.random.normal(key, (draws, d + int(FREEDOM)), dtype)
    return z[:, :d] / jnp.sqrt((z[:, d:] ** 2).mean(1, keepdims=True))
