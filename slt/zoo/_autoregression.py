"""The law of a stationary autoregressive series, in time and memory of the order of its length (floor 4)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro.distributions import constraints


class Autoregression(dist.Distribution):
    r"""$x_1 \sim N(0, 1/(1 - a^2))$, $x_t \sim N(a x_{t-1}, 1)$; no matrix is formed, save for `covariance_matrix`."""

    arg_constraints = {"a": constraints.open_interval(-1.0, 1.0)}  # noqa: RUF012
    support: Any = constraints.real_vector
    pytree_data_fields = ("a",)

    def __init__(self, a: Any, length: int, *, validate_args: bool | None = None) -> None:
        self.a = jnp.asarray(a, float)
        super().__init__(jnp.shape(a), (length,), validate_args=validate_args)

    def log_prob(self, value: Any) -> jax.Array:
        a = self.a[..., None]
        first = (1 - self.a**2) * value[..., 0] ** 2
        steps = ((value[..., 1:] - a * value[..., :-1]) ** 2).sum(-1)
        return 0.5 * (jnp.log1p(-(self.a**2)) - first - steps - self.event_shape[0] * jnp.log(2 * jnp.pi))

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        noise = jax.random.normal(key, self.shape(sample_shape))
        first = noise[..., 0] / jnp.sqrt(1 - self.a**2)

        def step(before, new):
            after = self.a * before + new
            return after, after

        _, rest = jax.lax.scan(step, first, jnp.moveaxis(noise[..., 1:], -1, 0))
        return jnp.concatenate([first[..., None], jnp.moveaxis(rest, 0, -1)], -1)

    def entropy(self) -> jax.Array:
        return 0.5 * (self.event_shape[0] * (1 + jnp.log(2 * jnp.pi)) - jnp.log1p(-(self.a**2)))

    @property
    def mean(self) -> jax.Array:
        return jnp.zeros(self.shape())

    @property
    def variance(self) -> jax.Array:
        return jnp.broadcast_to(1 / (1 - self.a[..., None] ** 2), self.shape())

    @property
    def covariance_matrix(self) -> jax.Array:
        lag = jnp.abs(jnp.subtract.outer(*[jnp.arange(self.event_shape[0])] * 2))
        a = self.a[..., None, None]
        return a**lag / (1 - a**2)
