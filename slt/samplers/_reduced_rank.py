"""Reduced rank regression with known noise."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from slt.triple import Triple


@dataclass(frozen=True)
class ReducedRank:
    r"""Reduced rank regression with known noise: a matrix of low rank, as a product.

    $$p(y \mid x, A, B) = N(y;\, B A x,\, \sigma^2 I), \qquad A \in \mathbb{R}^{H \times M},\;
    B \in \mathbb{R}^{N \times H}, \qquad A_{hj}, B_{kh} \sim N(0, s^2)$$

    Given one factor the other is a linear regression, at any $\beta$. With $\gamma = \beta / \sigma^2$:

    $$\text{row } k \text{ of } B \sim N\big(P^{-1} \gamma A X^\top y_k,\, P^{-1}\big), \quad
    P = \gamma A X^\top X A^\top + s^{-2} I$$
    $$\operatorname{vec} A \sim N\big(Q^{-1} \gamma \operatorname{vec}(B^\top Y^\top X),\, Q^{-1}\big), \quad
    Q = \gamma\, B^\top B \otimes X^\top X + s^{-2} I$$

    where vec stacks rows, and the rows of $X$ and $Y$ are the observations.

    **Arguments:** `rank`: $H$. `noise`: $\sigma$. `sd`: $s$.
    **Source:** Geweke (1996); Watanabe (2013) for the design with $\sigma = 0.1$, $s = 10$.

    >>> model = ReducedRank(rank=2)
    >>> model.triple(jnp.zeros((5, 3)), jnp.zeros((5, 4))).prior["B"].event_shape
    (4, 2)
    """

    rank: int
    noise: float = 0.1
    sd: float = 10.0

    def triple(self, *data: Any) -> Triple:
        """The same model as a `Triple` with the inputs of the data; its truth, noise alone, plays no part."""
        x, y = data

        def model(x, A, B):
            return dist.Normal(B @ (A @ x), self.noise).to_event(1)

        def truth(x):
            return dist.Normal(jnp.zeros(y.shape[1]), self.noise).to_event(1)

        shapes = {"A": (self.rank, x.shape[1]), "B": (y.shape[1], self.rank)}
        prior = {name: dist.Normal(0.0, self.sd).expand(shape).to_event(2) for name, shape in shapes.items()}
        return Triple(truth, model, prior, inputs=x)

    def check(self, data: Any, beta: float) -> None:
        """Raise `ValueError` unless the data are two matrices with equally many rows."""
        shapes = [a.shape for a in data]
        if len(data) != 2 or any(a.ndim != 2 or not a.size for a in data) or shapes[0][0] != shapes[1][0]:
            raise ValueError(f"ReducedRank wants x of shape (n, M) and y of shape (n, N); got {shapes}.")

    def draw_prior(self, key: Any, data: Any) -> dict[str, Any]:
        """One draw from the prior."""
        x, y = data
        key_a, key_b = jax.random.split(key)
        a = self.sd * jax.random.normal(key_a, (self.rank, x.shape[1]), x.dtype)
        return {"A": a, "B": self.sd * jax.random.normal(key_b, (y.shape[1], self.rank), x.dtype)}

    def sweep(self, key: Any, w: Any, data: Any, beta: Any) -> dict[str, Any]:
        """B given A, then A given B."""
        x, y = data
        key_a, key_b = jax.random.split(key)
        gamma, ridge = beta / self.noise**2, 1 / self.sd**2
        xx, yx = x.T @ x, y.T @ x
        A = w["A"]
        P = gamma * A @ xx @ A.T + ridge * jnp.eye(self.rank)
        B = _normal(key_b, gamma * yx @ A.T, P)
        Q = gamma * jnp.kron(B.T @ B, xx) + ridge * jnp.eye(A.size)
        return {"A": _normal(key_a, gamma * (B.T @ yx).reshape(1, -1), Q).reshape(A.shape), "B": B}


def _normal(key: Any, linear: Any, precision: Any) -> Any:
    r"""For each row $l$ of `linear`, a draw from $N(P^{-1} l, P^{-1})$."""
    L = jnp.linalg.cholesky(precision)
    mean = jax.scipy.linalg.cho_solve((L, True), linear.T)
    z = jax.random.normal(key, mean.shape, mean.dtype)
    return (mean + jax.scipy.linalg.solve_triangular(L.T, z, lower=False)).T
