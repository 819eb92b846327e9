r"""Exact leave-one-out cross-validation by refitting: closed forms, grids, and chains side by side (floor 6)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt import conjugate
from slt._arrays import Pointwise, check_beta, in_input_precision
from slt._nodes import check_key
from slt._refit_chains import Deleted, RefitTerms, deleted, labels
from slt._sites import refuse_options
from slt._work import tile
from slt.quadrature import BATCH, edge_nodes, grid, warn_at_edges
from slt.triple import Triple, check_names, log_density, log_prior

PROBE = 1000  # nodes on which the cost is measured


@dataclass(frozen=True)
class Refit:
    r"""Exact leave-one-out terms of chosen observations, and what they cost; made by `slt.refit`.

    Call it with an array of indices, shape `(k,)`, for $-\log p(X_i \mid X^n \setminus X_i)$ of those observations
    (or groups), or hand it to `slt.cv_loss(..., refit=)`. `judged(indices)` returns these terms as `loss`, with their
    Monte Carlo standard error `se` and, of the chains, `rhat` and `divergences`, each `(k,)`. `seconds(k)` predicts how
    long $k$ refits take, compilation apart; for chains roughly, since how long their trajectories are is not known
    beforehand.

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
    key: Any = None
    chains: Deleted | None = field(default=None, repr=False)
    groups: np.ndarray | None = field(default=None, repr=False)

    @property
    def n(self) -> int:
        """How many observations, or groups, there are to leave out."""
        if self.chains is not None:
            return self.chains.n
        return len(self.data[0]) if self.groups is None else int(self.groups.max()) + 1

    def __call__(self, indices: Any) -> Pointwise:
        return self.judged(indices).loss

    def judged(self, indices: Any) -> RefitTerms:
        """The terms with their standard errors, and a verdict on the chains of each."""
        i, n = np.asarray(indices), self.n
        if i.ndim != 1 or not np.issubdtype(i.dtype, np.integer) or (i.size and (i.min() < 0 or i.max() >= n)):
            raise ValueError(f"indices must be whole numbers from 0 to {n - 1}, shape (k,); got {indices!r}.")
        if self.chains is not None:
            return self.chains.run(self.key, i, self.beta)
        if isinstance(self.model, Triple):
            terms = self._on_a_grid(i)
        elif self.groups is not None:
            terms = np.array([self._in_closed_form(self.groups == group) for group in i])
        else:
            terms = conjugate.cv_loss(self.model, *self.data, beta=self.beta)[i]
        return RefitTerms(terms, np.zeros(i.size), np.full(i.size, np.nan), np.zeros(i.size, int))

    def _in_closed_form(self, group: np.ndarray) -> float:
        data = [np.asarray(a) for a in self.data]
        rest = conjugate.posterior(self.model, *(a[~group] for a in data), beta=self.beta)
        return -float(conjugate.log_evidence(replace(self.model, eta=rest), *(a[group] for a in data)))

    def _members(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of each unit, `(units, size of the largest)`, and which of them are no padding."""
        of = np.arange(len(self.data[0])) if self.groups is None else self.groups
        sizes = np.bincount(of)
        rows, real = np.zeros((len(sizes), sizes.max()), int), np.arange(sizes.max()) < sizes[:, None]
        rows[real] = np.argsort(of, kind="stable")
        return rows, real

    def seconds(self, count: int) -> float:
        """Predicted time of `count` refits, from the time that a thousandth part of the work takes here."""
        if self.chains is not None:
            return self.chains.seconds(count, self.beta)
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
        # A refit takes the densities of what is left out, and two exponentials, at each node.
        return per_entry * nodes * (n + (2 + self._members()[0].shape[1]) * count)

    def _bounds(self) -> Mapping[str, tuple[float, float]]:
        if self.bounds is None:
            raise ValueError(
                f"a triple is refitted on a grid: give bounds=, name to (low, high), for {sorted(self.model.prior)}; "
                "or by chains, in any number of parameters: give key=jax.random.key(0)."
            )
        check_names(self.model, self.bounds)
        return self.bounds

    def _on_a_grid(self, indices: np.ndarray) -> Pointwise:
        triple, beta, bounds = self.model, self.beta, self._bounds()
        w, log_volume = grid(bounds, points=self.points)
        edges = edge_nodes(triple, w, bounds, self.points)
        rows, real = map(jnp.asarray, self._members())
        size = tile(len(log_volume), BATCH)

        def run(log_volume, *data):
            def whole(w):
                return log_prior(triple, w) + beta * log_density(triple, w, *data).sum()

            log_joint = log_volume + jax.lax.map(whole, dict(w), batch_size=size)
            log_joint = jnp.where(jnp.isnan(log_joint), -jnp.inf, log_joint)

            def without(i):
                one = [jnp.asarray(a)[rows[i]] for a in data]

                def of_unit(w):
                    return jnp.where(real[i], log_density(triple, w, *one), 0).sum()

                log_p = jax.lax.map(of_unit, dict(w), batch_size=size)
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
    key: jax.Array | None = None,
    beta: float = 1.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    points: int = 200,
    groups: Any = None,
    **kwargs: Any,
) -> Refit:
    r"""Exact leave-one-out of the observations that one asks for, in one batch.

    $$-\log p(X_i \mid X^n \setminus X_i) = -\log
    \frac{\int p(X_i \mid w)\, \varphi(w) \prod_{j \ne i} p(X_j \mid w)^\beta\, dw}
    {\int \varphi(w) \prod_{j \ne i} p(X_j \mid w)^\beta\, dw}$$

    **Arguments:** `model`: an `slt.conjugate.ExponentialFamily`, in closed form; a `Triple` with one to three
    parameters and `bounds`, on a grid, all refits in one compiled program; any other `Triple`, or a NumPyro model with
    one observed site, by four chains of the No-U-Turn sampler for each refit, up to 25 refits side by side in one
    compiled program. `data`, `kwargs`: `x`, or `x, y`; the arguments of a NumPyro model, as in `slt.nuts`. `key`: a JAX
    key, for chains. `beta`: inverse temperature. `bounds`: name to `(low, high)`: a box that holds every leave-one-out
    posterior. `points`: nodes per parameter. `groups`: one label per observation: whole groups are left out, in the
    order of `slt.observations(log_lik, groups=groups)`.
    **Returns:** a `Refit`: call it with indices, or pass it to `slt.cv_loss(..., refit=)`.
    **Raises:** `TypeError` for another model, or a NumPyro model without key; `ValueError` for both key and bounds, for
    an improper prior, from which no chain can start, and for whatever `slt.log_lik` refuses. When called: `ValueError`
    without bounds or key, for wrong names or indices, or without mass in the box; warns (`SltWarning`) if the box cuts
    one of the posteriors off, and of the refits whose chains have not mixed ($\hat R > 1.02$) though they were run
    again, four times as long, or in which more than 1 % of the transitions diverged.
    **Source:** Watanabe (2018), section 1.6.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    >>> again = refit(triple, np.array([1.0, 0.0]), bounds={"mu": (-6, 6)})
    >>> again(np.array([0])).round(4).tolist()  # without it mu ~ N(0, 1/2), and x ~ N(0, 3/2)
    [1.455]
    """
    check_beta(beta)
    family = isinstance(model, conjugate.ExponentialFamily)
    if not family and not isinstance(model, Triple) and not (callable(model) and key is not None):
        raise TypeError(
            f"refit wants a Triple, an slt.conjugate.ExponentialFamily, or a NumPyro model with key=jax.random.key(0) "
            f"for its chains; got {type(model).__name__}{'' if key is None else ' with a key'}. For another model pass "
            "cv_loss(..., refit=) a function of your own, from indices to exact terms."
        )
    if key is not None and not family:
        check_key(key)
        if bounds is not None:
            raise ValueError("refit got both key= and bounds=: a key is for chains, bounds are for a grid. Drop one.")
        return Refit(model, data, float(beta), None, points, key, deleted(model, data, kwargs, groups))
    refuse_options("a refit without chains", **kwargs)
    if not data or any(np.ndim(a) == 0 for a in data):
        raise ValueError("refit wants the data: refit(model, x) or refit(model, x, y).")
    own = None if groups is None else labels(groups, len(data[0]))
    return Refit(model, data, float(beta), bounds, points, groups=own)


def exact_cv(
    model: Any,
    *data: Any,
    key: jax.Array | None = None,
    beta: float = 1.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    points: int = 200,
    groups: Any = None,
    **kwargs: Any,
) -> Pointwise:
    r"""Leave-one-out cross-validation loss $C_n$ without approximation, by $n$ refits.

    $$C_n = -\frac1n \sum_i \log p(X_i \mid X^n \setminus X_i)$$

    **Arguments:** as in `slt.refit`.
    **Returns:** shape `(n,)`, nats per observation (or group); $C_n$ is its `.mean()`.
    **Raises:** as in `slt.refit`.
    **Source:** Watanabe (2018), section 1.6.

    >>> np.exp(-exact_cv(conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1]))).round(6).tolist()
    [0.5, 0.25, 0.5]
    """
    again = refit(model, *data, key=key, beta=beta, bounds=bounds, points=points, groups=groups, **kwargs)
    return again(np.arange(again.n))
