r"""Parameters in which the log joint density is quadratic, integrated exactly, and the others by quadrature (floor 4).

$$\int e^{\ell(v, \theta)}\,d\theta = (2\pi)^{m/2} \det P(v)^{-1/2}\, e^{\ell(v, \hat\theta(v))}, \qquad
P = -\frac{\partial^2 \ell}{\partial\theta^2}$$

Given $v$ (standard deviations, say), the $m$ parameters $\theta$ (weights, effects) of many hierarchies and regressions
have a normal posterior. Where at most two parameters are left over, the quadrature of `_cubature` does these, and where
none is, the free energy is exact. Second derivatives say which parameters may be of this kind. They do not see a kink;
so values decide: at draws of the prior and of the posterior, $\ell$ must be the quadratic function that was integrated.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt import _cubature
from slt._target import Target
from slt.energy import FreeEnergy

LARGEST, OUTER = 32, _cubature.LARGEST  # parameters in all, and those that are left for the quadrature
BASES, DRAWS = 4, 128  # draws of the prior at which second derivatives are compared, and values
SAME, AGREE = 1e-9, 1e-7  # relative change of a second derivative, and nats of a value, that are none
ROUNDING = 1e-5  # nats of rounding that may excuse a difference of values, at most
SINGULAR = 1.0  # rounding in nats beyond which a precision matrix is singular, and what it gives is no density
OWN = 2**20 + 3  # makes the key of the draws, apart from those that other methods make


def free_energy(key: Any, target: Target, data: Any, beta: float) -> FreeEnergy | None:
    """The free energy, or `None` where too many parameters are not conditionally normal, or floats have 32 bits."""
    if target.dimension > LARGEST or not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    u, bent = map(np.asarray, _look(jax.random.fold_in(key, OWN), target, data))
    outer = left_over(~(bent <= SAME))  # NaN is a change too
    if outer is None:
        return None
    at, d, rest = (data, np.asarray(beta, float)), target.dimension, np.setdiff1d(np.arange(target.dimension), outer)
    theta, z = np.roll(u, 1, axis=0)[:, rest], np.random.default_rng(0).normal(size=(DRAWS, len(rest)))
    value, rounding, misfit = map(np.asarray, _compare(target, outer, at, u[:, outer], theta, z))
    if not (misfit.max() <= 1 and rounding.max() <= (SINGULAR if outer else _cubature.ENOUGH)):
        return None
    exact = f"{len(rest)} of {d} parameters exactly"
    if not outer:
        log_z, se = float(value[0]), float(rounding.max())
        return FreeEnergy(-log_z / beta, se / beta, beta, "a normal integral, exact", (), {"exact": d})
    found, plane = _cubature.integrate(key, marginal(target, outer), at, 1.0, slopes=False)
    near = plane.centre + np.random.default_rng(1).normal(size=(DRAWS, len(outer))) @ plane.factor.T
    _, rounding, misfit = map(np.asarray, _compare(target, outer, at, near, theta, z))
    if not (found.ok and misfit.max() <= 1 and rounding.max() <= _cubature.ENOUGH):
        return None
    return replace(
        found,
        value=found.value / beta,
        se=(found.se + float(rounding.max())) / beta,
        beta=beta,
        method=f"adaptive quadrature, {exact}",
        diagnostics={**found.diagnostics, "exact": len(rest)},
    )


@partial(jax.jit, static_argnames="target")
def _look(key, target, data):
    """Draws of the prior, and the relative change of each second derivative along each coordinate, `(d, d, d)`."""
    d = target.dimension
    u = jax.vmap(lambda k: target.draw_prior(k, data))(jax.random.split(key, DRAWS))
    spread = u.std(0)
    points = jnp.concatenate([u[:BASES, None], u[:BASES, None] + spread * jnp.eye(d)], 1).reshape(-1, d)

    def change(f):
        hessian = jax.lax.map(jax.hessian(lambda u: f(u, data)), points) * jnp.outer(spread, spread)
        hessian = hessian.reshape(BASES, 1 + d, d, d)
        size = jnp.sqrt(jnp.abs(jnp.diagonal(hessian, axis1=2, axis2=3)).max(1))
        size = size[:, None, :, None] * size[:, None, None]
        return (jnp.abs(hessian[:, 1:] - hessian[:, :1]) / jnp.where(size == 0, 1, size)).max(0)

    return u, jnp.maximum(change(target.log_prior), change(target.log_lik))


def left_over(bent: np.ndarray) -> tuple[int, ...] | None:
    """The fewest parameters without which no second derivative of the others changes along the others."""
    d = len(bent)
    for size in range(OUTER + 1):
        for outer in itertools.combinations(range(d), size):
            rest = np.setdiff1d(np.arange(d), outer)
            if len(rest) and not bent[np.ix_(rest, rest, rest)].any():
                return outer
    return None


def _split(target: Target, outer: tuple[int, ...]) -> Callable[..., Any]:
    """The log joint density given v, its mode, its value there, the factor of the precision; log integral, rounding."""
    d, held = target.dimension, np.array(outer, int)
    rest = np.setdiff1d(np.arange(d), held)

    def given(v, at):
        data, beta = at

        def joint(theta):
            u = jnp.zeros(d, theta.dtype).at[held].set(v).at[rest].set(theta)
            return target.log_prior(u, data) + beta * target.log_lik(u, data)

        zero = jnp.zeros(len(rest), v.dtype)
        precision = -jax.hessian(joint)(zero)
        scale = jnp.sqrt(jnp.diagonal(precision))
        unit = jnp.linalg.cholesky(precision / jnp.outer(scale, scale))
        chol = scale[:, None] * unit
        mode = jax.scipy.linalg.cho_solve((chol, True), jax.grad(joint)(zero))
        mode = mode + jax.scipy.linalg.cho_solve((chol, True), jax.grad(joint)(mode))  # what rounding left
        top = joint(mode)
        rounding = 4 * jnp.finfo(v.dtype).eps * (jnp.abs(top) + target.size + len(mode) / jnp.diagonal(unit).min() ** 2)
        value = top - jnp.log(jnp.diagonal(chol)).sum() + len(mode) / 2 * jnp.log(2 * jnp.pi)
        return joint, mode, top, chol, (value, rounding)

    return given


@lru_cache(maxsize=16)
def marginal(target: Target, outer: tuple[int, ...]) -> Target:
    """The log joint density of the parameters that are left over, as a target whose data are data and temperature."""
    given, held = _split(target, outer), np.array(outer, int)

    def log_lik(v, at):
        value, rounding = given(v, at)[-1]
        return jnp.where(jnp.isfinite(value) & (rounding <= SINGULAR), value, -jnp.inf)

    return replace(
        target,
        log_prior=lambda v, at: jnp.zeros((), v.dtype),
        log_lik=log_lik,
        draw_prior=lambda key, at: target.draw_prior(key, at[0])[held],
        dimension=len(outer),
        size=target.size * (target.dimension - len(outer) + 2),
    )


@partial(jax.jit, static_argnames=("target", "outer"))
def _compare(target, outer, at, v, theta, z):
    """Log of the integral at each v, its rounding, and how the joint density differs from the quadratic function.

    It is compared at `theta`, and at draws of the conditional normal distribution that are made of `z`; one is the
    largest difference that rounding explains.
    """
    given = _split(target, outer)

    def one(v, theta, z):
        joint, mode, top, chol, (value, rounding) = given(v, at)

        def miss(theta):
            fall = ((chol.T @ (theta - mode)) ** 2).sum() / 2
            close = AGREE * (1 + fall) + 16 * jnp.minimum(rounding, ROUNDING)
            return jnp.abs(joint(theta) - top + fall) / close

        drawn = jax.scipy.linalg.solve_triangular(chol.T, z, lower=False)
        return value, rounding, jnp.stack([miss(theta), miss(mode + drawn), miss(mode + 3 * drawn)]).max()

    return jax.vmap(one)(v, theta, z)
