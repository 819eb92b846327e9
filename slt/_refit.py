r"""Exact leave-one-out cross-validation by refitting: closed forms, and grids in one compiled program (floor 4)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt import conjugate
from slt._arrays import Pointwise, check_beta, in_input_precision
from slt.quadrature import edge_nodes, grid, warn_at_edges
from slt.triple import Triple, check_names, log_density, log_prior

BATCH = 4096  # nodes evaluated side by side
PROBE = 1000  # nodes on which the cost is measured


@dataclass(frozen=True)
class Refit:
    r"""Exact leave-one-out terms of chosen observations, and what they cost; made by `slt.refit`.

    Call it with an array of indices, shape `(k,)`, for $-\log p(X_i \mid X^n \setminus X_i)$ of those observations, or
    hand it to `slt.cv_loss(..., refit=)`. `seconds(k)` predicts how long $k$ refits take, compilation apart.

    **Source:** Watanabe (2018), section 1.6.

    >>> coin = refit(conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1]))
    >>> np.exp(-coin(np.array([1, 2]))).round(6).tolist()
    [0.25, 0.5]
    """

    model: Any
    data: tuple[Any, ...]
    beta: float
    bounds: Mapping[str, tuple[float, float]] | None
    points: int

    def __call__(self, indices: Any) -> Pointwise:
        i = np.asarray(indices)
        n = len(self.data[0])
        if i.ndim != 1 or not np.issubdtype(i.dtype, np.integer) or (i.size and (i.min() < 0 or i.max() >= n)):
            raise ValueError(f"indices must be whole numbers from 0 to {n - 1}, shape (k,); got {indices!r}.")
        if isinstance(self.model, Triple):
            return self._on_a_grid(i)
        return conjugate.cv_loss(self.model, *self.data, beta=self.beta)[i]

    def seconds(self, count: int) -> float:
        """Predicted time of `count` refits, from the time that a thousandth part of the work takes here."""
        if not isinstance(self.model, Triple):
            return 0.0
        w, _ = grid(self._bounds(), points=self.points)
        nodes = len(next(iter(w.values())))
        few = {name: a[:: max(1, nodes // PROBE)] for name, a in w.items()}
        run = jax.jit(lambda *data: jax.vmap(lambda w: log_density(self.model, w, *data).sum())(few))
        in_input_precision(lambda *data: jax.block_until_ready(run(*data)), *self.data)  # compiles
        start = time.perf_counter()
        in_input_precision(lambda *data: jax.block_until_ready(run(*data)), *self.data)
        n, probed = len(self.data[0]), len(next(iter(few.values())))
        per_entry = (time.perf_counter() - start) / (probed * n)
        return per_entry * nodes * (n + 3 * count)  # a refit takes a density and two exponentials at each node

    def _bounds(self) -> Mapping[str, tuple[float, float]]:
        if self.bounds is None:
            raise ValueError(
                f"a triple is refitted on a grid: give bounds=, name to (low, high), for {sorted(self.model.prior)}."
            )
        check_names(self.model, self.bounds)
        return self.bounds

    def _on_a_grid(self, indices: np.ndarray) -> Pointwise:
        triple, beta, bounds = self.model, self.beta, self._bounds()
        w, log_volume = grid(bounds, points=self.points)
        edges = edge_nodes(triple, w, bounds, self.points)

        def run(log_volume, *data):
            def whole(w):
                return log_prior(triple, w) + beta * log_density(triple, w, *data).sum()

            log_joint = log_volume + jax.lax.map(whole, dict(w), batch_size=BATCH)
            log_joint = jnp.where(jnp.isnan(log_joint), -jnp.inf, log_joint)

            def without(i):
                one = [jax.lax.dynamic_slice_in_dim(jnp.asarray(a), i, 1) for a in data]
                log_p = jax.lax.map(lambda w: log_density(triple, w, *one)[0], dict(w), batch_size=BATCH)
                rest = jnp.where(jnp.isfinite(log_joint), log_joint - beta * log_p, -jnp.inf)
                total = logsumexp(rest)
                mass = [jnp.exp(logsumexp(jnp.where(inside, rest, -jnp.inf)) - total) for inside in edges.values()]
                return total - logsumexp(rest + log_p), jnp.stack(mass) if mass else jnp.zeros(0)

            return jax.lax.map(without, jnp.asarray(indices))

        terms, mass = in_input_precision(jax.jit(run), log_volume, *self.data)
        if not np.isfinite(np.asarray(terms)).all():
            bad = indices[~np.isfinite(np.asarray(terms))]
            raise ValueError(
                f"the posterior without observation {int(bad[0])} has no mass in the box {dict(bounds)} ({bad.size} of "
                f"{indices.size} have none). Widen the box, or check the data for NaN."
            )
        for edge, column in zip(edges, np.asarray(mass).T, strict=True):
            if column.size:
                warn_at_edges(edge, column)
        return terms


def refit(
    model: Any,
    *data: Any,
    beta: float = 1.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    points: int = 200,
) -> Refit:
    r"""Exact leave-one-out of the observations that one asks for, in one batch.

    $$-\log p(X_i \mid X^n \setminus X_i) = -\log
    \frac{\int p(X_i \mid w)\, \varphi(w) \prod_{j \ne i} p(X_j \mid w)^\beta\, dw}
    {\int \varphi(w) \prod_{j \ne i} p(X_j \mid w)^\beta\, dw}$$

    **Arguments:** `model`: a `Triple` with one to three parameters, refitted on a grid, all refits in one compiled
    program; or an `slt.conjugate.ExponentialFamily`, in closed form. `data`: `x`, or `x, y`. `beta`: inverse
    temperature. `bounds`: for a triple, name to `(low, high)`: a box that holds every leave-one-out posterior.
    `points`: nodes per parameter.
    **Returns:** a `Refit`: call it with indices, or pass it to `slt.cv_loss(..., refit=)`.
    **Raises:** `TypeError` for another model. When called: `ValueError` without bounds, for wrong names or indices, or
    without mass in the box; warns (`SltWarning`) if the box cuts one of the posteriors off.
    **Source:** Watanabe (2018), section 1.6.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    >>> again = refit(triple, np.array([1.0, 0.0]), bounds={"mu": (-6, 6)})
    >>> again(np.array([0])).round(4).tolist()  # without it mu ~ N(0, 1/2), and x ~ N(0, 3/2)
    [1.455]
    """
    check_beta(beta)
    if not isinstance(model, Triple | conjugate.ExponentialFamily):
        raise TypeError(
            f"refit wants a Triple or an slt.conjugate.ExponentialFamily; got {type(model).__name__}. For another "
            "model pass cv_loss(..., refit=) a function of your own, from indices to exact terms."
        )
    if not data or any(np.ndim(a) == 0 for a in data):
        raise ValueError("refit wants the data: refit(model, x) or refit(model, x, y).")
    return Refit(model, data, float(beta), bounds, points)


def exact_cv(
    model: Any,
    *data: Any,
    beta: float = 1.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    points: int = 200,
) -> Pointwise:
    r"""Leave-one-out cross-validation loss $C_n$ without approximation, by $n$ refits.

    $$C_n = -\frac1n \sum_i \log p(X_i \mid X^n \setminus X_i)$$

    **Arguments:** as in `slt.refit`.
    **Returns:** shape `(n,)`, nats per observation; $C_n$ is its `.mean()`.
    **Raises:** as in `slt.refit`.
    **Source:** Watanabe (2018), section 1.6.

    >>> np.exp(-exact_cv(conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1]))).round(6).tolist()
    [0.5, 0.25, 0.5]
    """
    again = refit(model, *data, beta=beta, bounds=bounds, points=points)
    return again(np.arange(len(data[0])))
