r"""The closed forms as compiled functions of a model, hyperparameters and data (floor 3).

A model is $(\log v, g, \log z)$, three functions; one program serves all priors of the model, because $\eta$ is an
argument like the data. Nothing is checked here.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

type Model = tuple[Callable[..., Any], Callable[..., Any], Callable[[Any], Any]]

compiled = partial(jax.jit, static_argnums=0)
shared = lru_cache(64)  # a model's functions are made once: a sweep of priors compiles nothing anew


@compiled
def log_base(log_v: Callable[..., Any], *data: Any) -> Any:
    r"""$\log v(x_i)$, shape `(n,)`."""
    return jax.vmap(log_v)(*data)


@compiled
def is_proper(log_z: Callable[[Any], Any], eta: Any) -> Any:
    r"""Whether $\log z(\eta)$ is finite."""
    return jnp.isfinite(log_z(eta))


@compiled
def update(model: Model, eta: Any, beta: Any, *data: Any) -> Any:
    r"""$\hat\eta = \eta + \beta \sum_i g(x_i)$."""
    return eta + beta * jax.vmap(model[1])(*wide(data)).sum(0)


@compiled
def evidence(model: Model, eta: Any, beta: Any, *data: Any) -> Any:
    r"""$\beta \sum_i \log v(x_i) + \log z(\hat\eta) - \log z(\eta)$."""
    log_v, _, log_z = model
    base = jax.vmap(log_v)(*wide(data)).sum()
    return beta * base + log_z(update(model, eta, beta, *data)) - log_z(eta)


@compiled
def predictive(model: Model, eta: Any, *data: Any) -> Any:
    r"""$\log v(x_i) + \log z(\eta + g(x_i)) - \log z(\eta)$, shape `(n,)`; $-\infty$ outside the support."""
    return jax.vmap(lambda *x: _ratio(model, eta, *x))(*wide(data))


@compiled
def left_out(model: Model, eta_hat: Any, beta: Any, *data: Any) -> Any:
    r"""The same of each observation from the others, whose $\eta$ is $\hat\eta - \beta g(x_i)$; shape `(n,)`."""
    return jax.vmap(lambda *x: _ratio(model, eta_hat - beta * model[1](*x), *x))(*wide(data))


@compiled
def variance(model: Model, eta_hat: Any, *data: Any) -> Any:
    r"""$g(x_i)^\top\, \nabla^2 \log z(\hat\eta)\, g(x_i)$, shape `(n,)`."""
    g = jax.vmap(model[1])(*wide(data))
    return jnp.einsum("ij,jk,ik->i", g, jax.hessian(model[2])(eta_hat), g)


@partial(jax.jit, static_argnums=(0, 1))
def density(features: Callable[..., Any], log_z: Callable[[Any], Any], eta: Any, w: dict[str, Any]) -> Any:
    r"""$\eta \cdot f(w) - \log z(\eta)$, shape `(points,)`."""
    return jax.vmap(features)(w) @ eta - log_z(jnp.asarray(eta))


@partial(jax.jit, static_argnums=(0, 1))
def log_lik(model: Model, features: Callable[..., Any], w: dict[str, Any], *data: Any) -> Any:
    r"""$\log v(x_i) + f(w_s) \cdot g(x_i)$, shape `(draws, n)`."""
    return jax.vmap(model[0])(*data) + jax.vmap(features)(w) @ jax.vmap(model[1])(*data).T


@partial(jax.jit, static_argnums=(0, 3))
def drawn(sample: Callable[..., Any], key: Any, eta: Any, draws: int) -> dict[str, Any]:
    r"""Draws from $\varphi(w \mid \eta)$."""
    return sample(key, jnp.asarray(eta), draws)


def proper(condition: Any, value: Any) -> Any:
    """`value` where the integral converges, infinity where it does not."""
    return jnp.where(condition, value, jnp.inf)


def wide(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Floating arrays in the widest enabled precision: sums of squares cancel."""
    kept = (jnp.asarray(a) for a in arrays)
    return tuple(a.astype(jnp.result_type(float)) if jnp.issubdtype(a.dtype, jnp.floating) else a for a in kept)


def _ratio(model: Model, eta: Any, *x: Any) -> Any:
    log_v, g, log_z = model
    base = log_v(*x)
    return jnp.where(base == -jnp.inf, -jnp.inf, base + log_z(eta + g(*x)) - log_z(eta))
