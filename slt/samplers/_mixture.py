"""The mixture of two normal distributions, with latent labels."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from slt.triple import Triple


@dataclass(frozen=True)
class NormalMixture:
    r"""Two normal distributions of variance one, with unknown weight and means.

    $$p(x \mid a, b) = (1 - a)\, N(x; b_0, 1) + a\, N(x; b_1, 1), \qquad
    a \sim \text{Beta}(c_1, c_0), \quad b_k \sim N(m_k, s^2)$$

    With the label $z_i \in \{0, 1\}$ of each observation the conditional distributions are

    $$P(z_i = 1) = \frac{a N(x_i; b_1, 1)}{p(x_i \mid a, b)}, \qquad a \sim \text{Beta}(c_1 + n_1, c_0 + n_0), \qquad
    b_k \sim N\Big(\frac{m_k / s^2 + \sum_{z_i = k} x_i}{1 / s^2 + n_k}, \frac{1}{1 / s^2 + n_k}\Big)$$

    with $n_k$ the number of labels $k$. Only at $\beta = 1$: the power of a sum is no sum of powers.

    **Arguments:** `counts`: $(c_0, c_1)$. `mean`: $(m_0, m_1)$. `sd`: $s$.
    **Source:** Diebolt and Robert (1994); Watanabe (2018), section 7.2.

    >>> sorted(NormalMixture(counts=(1.0, 2.0)).triple(jnp.zeros(3)).prior)
    ['a', 'b']
    """

    counts: tuple[float, float] = (1.0, 1.0)
    mean: tuple[float, float] = (0.0, 0.0)
    sd: float = 10.0

    def triple(self, *data: Any) -> Triple:
        """The same model as a `Triple`, for the other samplers; its truth, N(0, 1), plays no part in a posterior."""

        def model(a, b):
            return dist.MixtureSameFamily(dist.Categorical(probs=jnp.stack([1 - a, a])), dist.Normal(b, 1.0))

        means = dist.Normal(jnp.asarray(self.mean), self.sd).to_event(1)
        return Triple(dist.Normal(0, 1), model, {"a": dist.Beta(self.counts[1], self.counts[0]), "b": means})

    def check(self, data: Any, beta: float) -> None:
        """Raise `ValueError` unless the data are one vector and beta is one."""
        if len(data) != 1 or data[0].ndim != 1 or not data[0].size:
            raise ValueError(
                f"NormalMixture wants x of shape (n,), n at least 1; got {', '.join(str(a.shape) for a in data)}."
            )
        if beta != 1:
            raise ValueError(
                f"Gibbs sampling of a mixture needs beta=1; got beta={beta}: with labels, the power of the likelihood "
                "has no conditional distributions. Use slt.samplers.parallel_tempering on model.triple()."
            )

    def draw_prior(self, key: Any, data: Any) -> dict[str, Any]:
        """One draw from the prior."""
        key_a, key_b = jax.random.split(key)
        a = jax.random.beta(key_a, self.counts[1], self.counts[0])
        return {"a": a, "b": jnp.asarray(self.mean) + self.sd * jax.random.normal(key_b, (2,))}

    def sweep(self, key: Any, w: Any, data: Any, beta: Any) -> dict[str, Any]:
        """Labels given weight and means, then weight and means given labels."""
        (x,) = data
        key_z, key_a, key_b = jax.random.split(key, 3)
        log_odds = jnp.log(w["a"]) - jnp.log1p(-w["a"]) - 0.5 * (x - w["b"][1]) ** 2 + 0.5 * (x - w["b"][0]) ** 2
        z = jax.random.bernoulli(key_z, jax.nn.sigmoid(log_odds))
        member = jnp.stack([~z, z]).astype(x.dtype)  # (2, n)
        n = member.sum(1)
        a = jax.random.beta(key_a, self.counts[1] + n[1], self.counts[0] + n[0])
        precision = 1 / self.sd**2 + n
        mean = (jnp.asarray(self.mean) / self.sd**2 + member @ x) / precision
        return {"a": a, "b": mean + jax.random.normal(key_b, (2,), x.dtype) / jnp.sqrt(precision)}
