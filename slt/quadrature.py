r"""Posteriors on a grid, for up to three parameters: the ground truth where no closed form exists (floor 3).

$$Z_n(\beta) = \int \varphi(w) \prod_i p(X_i \mid w)^\beta\,dw
\approx \sum_k \omega_k\, \varphi(w_k) \prod_i p(X_i \mid w_k)^\beta$$

The nodes $w_k$ are those of a composite Gauss-Legendre rule on a box. They become the draws of a `Posterior` with
`log_weights`, so that every function of `log_lik` applies to them.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt._arrays import SltWarning, check_beta, in_input_precision
from slt._nodes import check_whole, nodes
from slt._work import tile
from slt.triple import Posterior, Triple, check_names, log_density, log_prior

__all__ = ["grid", "nodes", "posterior", "weigh"]

BATCH = 4096  # nodes evaluated side by side
PANEL = 5  # nodes per panel of the composite rule: degree 9
EDGE = 1e-6  # posterior mass in the outermost panel that calls for a warning
ACCURACY = 1e-2  # error of log Z, in nats, that calls for a warning
Z, WEIGHT = np.polynomial.legendre.leggauss(PANEL)
LEGENDRE = (2 * np.arange(PANEL) + 1) * np.polynomial.legendre.legvander(Z, PANEL - 1)  # times masses: coefficients


def grid(bounds: Mapping[str, tuple[float, float]], *, points: int = 200) -> tuple[dict[str, np.ndarray], np.ndarray]:
    r"""Nodes and log-weights of a product Gauss-Legendre rule on a box.

    **Arguments:** `bounds`: name to `(low, high)`, one to three names. `points`: nodes per parameter, rounded up to a
    multiple of five.
    **Returns:** name to array `(nodes,)`, and the logarithm of the volume that each node stands for, `(nodes,)`.
    **Raises:** `ValueError` if there are more than three parameters, a side is empty or infinite, or `points` is no
    whole number from 5.
    **Source:** Abramowitz and Stegun (1964), section 25.4.

    >>> w, log_volume = grid({"a": (0.0, 2.0)}, points=5)
    >>> round(float(np.exp(log_volume) @ w["a"] ** 3), 12)  # 2^4 / 4
    4.0
    """
    if not 1 <= len(bounds) <= 3:
        raise ValueError(
            f"quadrature handles one to three parameters; got {len(bounds)} ({', '.join(bounds)}). Use slt.nuts."
        )
    points = check_whole("points", points, PANEL)
    axes, log_sides = [], []
    for name, (low, high) in bounds.items():
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(f"bounds[{name!r}] must be (low, high) with low < high, both finite; got ({low}, {high}).")
        edges = np.linspace(low, high, -(-points // PANEL) + 1)
        half = np.diff(edges)[:, None] / 2
        axes.append((edges[:-1, None] + half * (Z + 1)).ravel())
        log_sides.append(np.log(half * WEIGHT).ravel())
    w = {name: a.ravel() for name, a in zip(bounds, np.meshgrid(*axes, indexing="ij"), strict=True)}
    return w, np.sum(np.meshgrid(*log_sides, indexing="ij"), axis=0).ravel()


def weigh(triple: Triple, w: Mapping[str, Any], log_volume: Any, data: tuple[Any, ...], beta: float) -> tuple[Any, ...]:
    r"""Posterior weights of given nodes: the pure core of `posterior`, for `jit` and `vmap`.

    $$\log Z_n(\beta) = \log \sum_k \omega_k\, \varphi(w_k) \prod_i p(X_i \mid w_k)^\beta$$

    **Arguments:** `triple`: the triple. `w`, `log_volume`: nodes and $\log \omega_k$, from `grid`. `data`: a tuple,
    `(x,)` or `(x, y)`. `beta`: inverse temperature.
    **Returns:** the matrix `log_lik` `(nodes, n)`, normalized log-weights `(nodes,)` and $\log Z_n(\beta)$.
    **Raises:** `ValueError` if names or shapes do not fit; a box without mass gives $\log Z_n = -\infty$.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    >>> w, log_volume = grid({"mu": (-6.0, 6.0)})
    >>> [a.shape for a in weigh(triple, w, log_volume, (jnp.zeros(3),), 1.0)]
    [(200, 3), (200,), ()]
    """
    size = tile(len(log_volume), BATCH)
    log_lik = jax.lax.map(lambda w: log_density(triple, w, *data), dict(w), batch_size=size)
    log_mass = jax.vmap(lambda w: log_prior(triple, w))(dict(w)) + log_volume
    log_joint = jnp.where(jnp.isfinite(log_mass), log_mass + beta * log_lik.sum(1), -jnp.inf)
    log_evidence = logsumexp(log_joint)
    return log_lik, log_joint - log_evidence, log_evidence


def posterior(
    triple: Triple,
    *data: Any,
    bounds: Mapping[str, tuple[float, float]],
    points: int = 200,
    beta: float = 1.0,
) -> Posterior:
    r"""Posterior of a triple on a grid, with its log-evidence.

    $$p(w \mid X^n) = \frac{1}{Z_n(\beta)} \varphi(w) \prod_i p(X_i \mid w)^\beta$$

    **Arguments:** `triple`: the triple, with one to three scalar parameters. `data`: `x`, or `x, y`. `bounds`: name to
    `(low, high)`, the box that holds the posterior. `points`: nodes per parameter (125 000 nodes at 50 in three
    dimensions). `beta`: inverse temperature.
    **Returns:** `Posterior` with nodes as `draws`, `log_weights`, `log_lik` `(nodes, n)` and `log_evidence`. Only nodes
    with posterior density zero are left out: leave-one-out may need those of the smallest weight.
    **Raises:** `ValueError` for wrong names or bounds, for a prior that is not of one number, for `beta <= 0`, and if
    prior times likelihood has no mass in the box. Warns (`SltWarning`) if the posterior is too narrow for the grid
    (error of $\log Z_n$ above $10^{-2}$ by its Legendre coefficients in each panel); if more than $10^{-6}$ of the mass
    lies in the outermost panel although the prior goes on beyond it (leave-one-out posteriors may be wider, so leave
    them room); and if `cv_loss` of the result would be wrong: leave-one-out by weights assumes that the support of
    $p(\cdot \mid w)$ does not depend on $w$, else the posterior without $X_i$ has mass where $p(X_i \mid w) = 0$.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    >>> post = posterior(triple, np.array([1.0]), bounds={"mu": (-6, 6)})
    >>> round(post.log_evidence, 6)  # log N(1 | 0, 2)
    -1.515512
    """
    check_beta(beta)
    check_box(triple, bounds)
    w, log_volume = grid(bounds, points=points)

    def run(log_volume, beta, *data):  # arguments, so that the program of one temperature serves all in a cache
        log_lik, log_weights, log_evidence = weigh(triple, w, log_volume, data, beta)
        return log_lik, log_weights, log_evidence, lost(triple, w, log_lik), accuracy(log_weights, len(bounds))

    out = in_input_precision(jax.jit(run), log_volume, beta, *data)
    log_lik, log_weights, log_evidence, without, error = (np.asarray(a) for a in out)
    if not np.isfinite(log_evidence):
        raise ValueError(
            f"prior times likelihood has no mass in the box {dict(bounds)} (log evidence {log_evidence}). Move the box "
            "to where the prior and the likelihood are positive, or check the data for NaN."
        )
    for edge, inside in edge_nodes(triple, w, bounds, points).items():
        warn_at_edges(edge, np.exp(log_weights[inside]).sum(keepdims=True))
    warn_if_coarse(error[None])
    if without.any():
        warnings.warn(
            "the support of p(.|w) depends on w: cv_loss of this posterior is not valid for observation(s) "
            f"{np.flatnonzero(without)[:10].tolist()}, because without it the posterior has mass where its density is "
            "zero. T_n, W_n and the evidence are valid; for C_n call posterior without each of them.",
            SltWarning,
            stacklevel=2,
        )
    keep = np.isfinite(log_weights)
    return Posterior(
        {name: a[keep] for name, a in w.items()},
        log_lik[keep],
        beta,
        log_weights=log_weights[keep],
        log_evidence=float(log_evidence),
    )


def check_box(triple: Triple, bounds: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless the box has the prior's names, and each parameter is one number."""
    check_names(triple, bounds)
    for name, prior in triple.prior.items():
        if prior.batch_shape or prior.event_shape:
            raise ValueError(
                f"quadrature handles parameters of one number; prior[{name!r}] has batch shape {prior.batch_shape} and "
                f"event shape {prior.event_shape}. Give each component a name of its own, or use slt.nuts."
            )


def lost(triple: Triple, w: Mapping[str, Any], log_lik: Any) -> Any:
    """Which observations, `(n,)`, alone exclude a node with prior mass, which leave-one-out needs."""
    prior = jax.vmap(lambda w: log_prior(triple, w))({name: jnp.asarray(a) for name, a in w.items()})
    excluded = jnp.isneginf(log_lik)
    return (excluded & (excluded.sum(1) == 1)[:, None] & (prior > -jnp.inf)[:, None]).any(0)


def accuracy(log_weights: Any, parameters: int) -> Any:
    r"""Estimate of the relative error of $Z_n$, from the marginal of each parameter.

    In a panel the marginal density has Legendre coefficients $a_0, \dots, a_4$. The rule is exact up to degree 9; with
    geometric decay the coefficient of degree 10 is of the order of $|a| q^5$, where $q = |(a_3, a_4)| / |a|$.
    """
    side = round(log_weights.size ** (1 / parameters))
    mass, error = jnp.exp(log_weights).reshape((side,) * parameters), jnp.zeros(())
    for axis in range(parameters):
        marginal = mass.sum(tuple(k for k in range(parameters) if k != axis))
        a = marginal.reshape(-1, PANEL) @ LEGENDRE.astype(mass.dtype)
        size, high = jnp.linalg.norm(a, axis=1), jnp.linalg.norm(a[:, -2:], axis=1)
        error += (size * (high / jnp.where(size > 0, size, 1)) ** 5).sum()
    return error


def edge_nodes(triple: Triple, w: Mapping[str, Any], bounds: Any, points: int) -> dict[str, np.ndarray]:
    """For each end of the box beyond which the prior goes on ("mu at 0"): which nodes lie in its outermost panel."""
    found = {}
    for name, (low, high) in bounds.items():
        panel = (high - low) / -(-points // PANEL)
        for end, beyond, inside in (
            (low, low - 1e-6, w[name] < low + panel),
            (high, high + 1e-6, w[name] > high - panel),
        ):
            support: Any = triple.prior[name].support
            if bool(np.asarray(support(jnp.asarray(beyond)))):
                found[f"{name} at {end}"] = np.asarray(inside)
    return found


def warn_at_edges(edge: str, mass: np.ndarray) -> None:
    """Warn if too much posterior mass, of any of the data sets, lies at that end of the box."""
    if mass.max() > EDGE:
        where = "" if mass.size == 1 else f" for {int((mass > EDGE).sum())} of {mass.size} data sets"
        warnings.warn(
            f"{mass.max():.1e} of the posterior mass lies in the outermost panel of {edge}{where}: the box cuts the "
            "posterior off. Widen bounds there.",
            SltWarning,
            stacklevel=3,
        )


def warn_if_coarse(error: np.ndarray) -> None:
    """Warn if the grid is too coarse for the posterior of any of the data sets."""
    if error.max() > ACCURACY:
        where = "" if error.size == 1 else f" for {int((error > ACCURACY).sum())} of {error.size} data sets"
        warnings.warn(
            f"the posterior is narrow against the panels of the grid{where}: log Z_n is wrong by about "
            f"{error.max():.1e}, and the losses too. Raise points or narrow bounds.",
            SltWarning,
            stacklevel=3,
        )
