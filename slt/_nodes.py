r"""What a NumPyro distribution lacks: a log-density that ends with its support, and nodes for its integrals (floor 1).

Duck-typed: only the density, the support, the moments and the shapes of a NumPyro distribution are used.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

STEP, REACH, NEGLIGIBLE = 0.01, 45.0, 1e-19


def log_prob(distribution: Any, x: Any) -> jax.Array:
    r"""Log-density, $-\infty$ outside the support, where NumPyro returns whatever the formula gives.

    >>> import numpyro.distributions as dist
    >>> [round(float(a), 6) for a in log_prob(dist.Uniform(0.0, 2.0), jnp.array([1.0, 3.0]))]
    [-0.693147, -inf]
    """
    support = distribution.support
    if support is None:
        return distribution.log_prob(x)
    inside = jnp.asarray(support(x))
    x = jnp.broadcast_to(x, inside.shape + jnp.shape(x)[jnp.ndim(x) - distribution.event_dim :])
    event = inside.reshape(inside.shape + (1,) * distribution.event_dim)
    feasible = jnp.where(event, x, support.feasible_like(x).astype(x.dtype))
    return jnp.where(inside, distribution.log_prob(feasible), -jnp.inf)


def nodes(distribution: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes $x_k$ and weights $\omega_k$ with $\mathbb{E}_q[f(X)] \approx \sum_k \omega_k f(x_k)$.

    Discrete: the support. Continuous: the trapezoidal rule after $x = T(c + s \sinh t)$, where $T$ maps the real line
    onto the support; for analytic integrands it converges exponentially, for heavy tails too.

    $$\omega_k = q(x_k)\, \frac{dx}{dt}(t_k)\, h, \qquad t_k = kh$$

    **Arguments:** `distribution`: a scalar NumPyro distribution (a mixture too).
    **Returns:** two float64 NumPy arrays of equal length; the weights are positive and sum to 1 within $10^{-8}$.
    **Raises:** `NotImplementedError` if the distribution has more than one dimension; `ValueError` if the weights do
    not sum to 1, as with a density that has a jump or a kink inside its support.
    **Source:** Takahasi and Mori (1974) for the double-exponential idea.

    >>> import numpyro.distributions as dist
    >>> x, weights = nodes(dist.Normal(1.0, 2.0))
    >>> round(float(weights @ x**2), 8)
    5.0
    """
    if distribution.batch_shape or distribution.event_shape:
        raise NotImplementedError(
            f"nodes handles one-dimensional distributions; got batch shape {distribution.batch_shape} and event shape "
            f"{distribution.event_shape}. Average over draws of the truth instead."
        )
    with jax.enable_x64(True):
        if distribution.support.is_discrete:
            x = np.asarray(_support(distribution), dtype=np.int64)
            weights = np.exp(np.asarray(distribution.log_prob(jnp.asarray(x)), dtype=np.float64))
        else:
            x, weights = _continuous(distribution)
    total = float(weights.sum())
    if not abs(total - 1) < 1e-6:
        raise ValueError(
            f"quadrature under {type(distribution).__name__} gives total mass {total:.10f} instead of 1: its density "
            "has a jump, a kink or a pole that the rule cannot see. Average over draws of the truth instead."
        )
    keep = weights > NEGLIGIBLE
    return x[keep].astype(np.float64), weights[keep]


def _support(distribution: Any) -> Any:
    if distribution.has_enumerate_support:
        return distribution.enumerate_support(expand=False)
    mean, sd = float(distribution.mean), float(distribution.variance) ** 0.5
    return np.arange(int(mean + 40 * sd + 40))


def _continuous(distribution: Any) -> tuple[np.ndarray, np.ndarray]:
    from numpyro.distributions import biject_to

    transform = biject_to(distribution.support)
    mean = np.asarray(distribution.mean, dtype=np.float64)
    sd = np.sqrt(np.asarray(distribution.variance, dtype=np.float64))
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):  # no variance: use location and scale if it has them
        mean = np.asarray(getattr(distribution, "loc", 0.0), dtype=np.float64)
        sd = np.asarray(getattr(distribution, "scale", 1.0), dtype=np.float64)
    on_the_line = float(transform(jnp.asarray(-1.0))) == -1.0
    if not on_the_line:  # in the coordinates of the transform: around the mean, unit scale
        mean, sd = np.asarray(transform._inverse(jnp.asarray(mean))), np.ones(())
        mean = mean if np.isfinite(mean) else np.zeros(())
    t = np.arange(-REACH, REACH, STEP)
    u = jnp.asarray(mean + sd * np.sinh(t))
    x, slope = np.asarray(transform(u)), np.asarray(jax.vmap(jax.grad(transform))(u))
    inside = np.isfinite(x) & (slope > 0) & np.asarray(distribution.support(jnp.asarray(x)))
    x, slope, t = x[inside], slope[inside], t[inside]
    log_density = np.asarray(distribution.log_prob(jnp.asarray(x)), dtype=np.float64)
    return x, np.exp(log_density + np.log(slope) + np.log(sd * np.cosh(t) * STEP))
