r"""Free energy from ratios of the joint density and a normalized proposal: importance and bridge sampling."""

from typing import Any

import numpy as np

from slt._arrays import check_beta
from slt._mixing import ess
from slt.energy.record import (
    FEW,
    HEAVY_TAIL,
    FreeEnergy,
    check_finite,
    effective_weights,
    estimate,
    pareto_k,
    split,
)

STEPS, PRECISION = 1000, 1e-12  # of the fixed point of Meng and Wong
FLOOR = 1e-200  # of a mean in a step, so that densities far apart are reached in several steps and not by underflow


def importance_sampling(log_ratio: Any, *, beta: float = 1.0) -> FreeEnergy:
    r"""Free energy by importance sampling from a normalized density $g$.

    $$Z_n(\beta) = \mathbb{E}_{w \sim g}\Big[\frac{\varphi(w) \prod_i p(X_i \mid w)^\beta}{g(w)}\Big]$$

    **Arguments:** `log_ratio`: logarithm of the ratio at independent draws from $g$, shape `(draws,)`, nats; `-inf`
    where the joint density is zero. Work in unconstrained coordinates, with the Jacobian in the numerator.
    `beta`: the inverse temperature of the numerator.
    **Returns:** `FreeEnergy`; `diagnostics` has `ess` and `pareto_k` of the weights.
    **Raises:** `ValueError` for fewer than 25 draws, NaN or `+inf`. Warns (`SltWarning`) if the tail shape exceeds
    0.7 or the weights are worth fewer than 50 draws: $g$ misses a part of the posterior.
    **Source:** Geweke (1989); Vehtari, Simpson, Gelman, Yao and Gabry (2024) for the diagnosis.

    >>> log_ratio = np.full(100, -2.0)  # g is the posterior: every ratio is the evidence
    >>> importance_sampling(log_ratio).value, importance_sampling(log_ratio).se
    (2.0, 0.0)
    """
    check_beta(beta)
    r = _check_ratio(log_ratio, "log_ratio", 25)
    value, se = _independent(r)
    worth, k = effective_weights(r), pareto_k(r[np.isfinite(r)])
    problems = []
    if k > HEAVY_TAIL or worth < min(FEW, r.size / 2):
        problems.append(
            f"{r.size} draws are worth {worth:.1f} (Pareto k = {k:.2f}, threshold {HEAVY_TAIL}): the proposal misses "
            "a part of the posterior. Use a wider proposal, or bridge sampling."
        )
    return estimate(-value / beta, se / beta, beta, "importance sampling", problems, {"ess": worth, "pareto_k": k})


def bridge_sampling(at_draws: Any, at_proposals: Any, *, beta: float = 1.0, chains: int = 1) -> FreeEnergy:
    r"""Free energy by bridge sampling between the posterior and a normalized density $g$.

    $$Z = \frac{\mathbb{E}_g\big[h\, r\big]}{\mathbb{E}_w\big[h\big]}, \qquad
    r(w) = \frac{\varphi(w) \prod_i p(X_i \mid w)^\beta}{g(w)}, \qquad h = \frac{1}{s_1 r + s_2 Z}$$

    is solved for $Z$ by iteration; $s_1, s_2$ are the shares of effective posterior draws and of proposals. This $h$
    has the smallest error of all.

    **Arguments:** `at_draws`: $\log r$ at draws from the posterior at `beta`, shape `(draws,)`, which must not be the
    draws that $g$ was fitted to. `at_proposals`: $\log r$ at independent draws from $g$, shape `(proposals,)`, `-inf`
    allowed. `chains`: how many chains the posterior draws are, one after the other.
    **Returns:** `FreeEnergy`; `se` is the first-order error with the autocorrelation of the chains; `diagnostics` has
    `overlap`, near 1 when $g$ is the posterior and near 0 when the two hardly meet.
    **Raises:** `ValueError` for fewer than 25 of either, NaN, or `chains` that do not divide the draws. Warns
    (`SltWarning`) if the two densities hardly meet.
    **Source:** Meng and Wong (1996); Fruehwirth-Schnatter (2004) for the error.

    >>> rng = np.random.default_rng(0)
    >>> w, v = rng.normal(0, 1, 2000), rng.normal(0, 1.2, 2000)  # joint density exp(-w^2/2), Z = sqrt(2 pi)
    >>> log_ratio = lambda w: -w**2 / 2 + (w / 1.2) ** 2 / 2 + np.log(1.2 * np.sqrt(2 * np.pi))
    >>> estimate = bridge_sampling(log_ratio(w), log_ratio(v))
    >>> bool(abs(estimate.value + np.log(2 * np.pi) / 2) < 3 * estimate.se)
    True
    """
    check_beta(beta)
    draws = check_finite(_check_ratio(at_draws, "at_draws", 25), "at_draws")
    proposals = _check_ratio(at_proposals, "at_proposals", 25)
    by_chain = split(draws, chains)
    shift = np.median(draws)
    a, b = draws - shift, proposals - shift
    n1 = _independent_draws(by_chain)
    s1, s2 = n1 / (n1 + b.size), b.size / (n1 + b.size)
    log_z, step, p_over, g_over = 0.0, np.inf, np.ones(1), np.ones(1)
    with np.errstate(over="ignore"):
        for _ in range(STEPS):
            # Normalized densities p and g, each over the mixture s1 p + s2 g: at Z their means under g and p are equal.
            p_over, g_over = 1 / (s1 + s2 * np.exp(log_z - b)), 1 / (s2 + s1 * np.exp(a - log_z))
            if abs(step) < PRECISION * max(1.0, abs(log_z)):
                break
            step = np.log(max(p_over.mean(), FLOOR)) - np.log(max(g_over.mean(), FLOOR))
            log_z += step
    effective = _independent_draws(g_over.reshape(by_chain.shape))
    variance = p_over.var() / p_over.mean() ** 2 / b.size + g_over.var() / g_over.mean() ** 2 / effective
    overlap = float(p_over.mean())
    problems = []
    if not overlap * min(effective, b.size) > FEW / 2:
        problems.append(
            f"the proposal and the posterior hardly meet (overlap {overlap:.1e} of 1, {effective:.0f} effective "
            "draws): fit the proposal to more draws, or reparametrize so that the posterior is nearer to normal."
        )
    diagnostics = {"overlap": overlap, "ess": effective}
    value, se = log_z + shift, float(np.sqrt(variance))
    return estimate(-value / beta, se / beta, beta, "bridge sampling", problems, diagnostics)


def _check_ratio(values: Any, name: str, least: int) -> np.ndarray:
    r = np.asarray(values, dtype=np.float64)
    if r.ndim != 1 or r.size < least:
        raise ValueError(f"{name} must have shape (draws,) with at least {least} draws; got {r.shape}.")
    if np.isnan(r).any() or np.isposinf(r).any() or np.isneginf(r).all():
        raise ValueError(
            f"{name} must be logarithms of ratios of densities, some of them positive; got {np.isnan(r).sum()} NaN, "
            f"{np.isposinf(r).sum()} +inf and {np.isneginf(r).sum()} -inf among {r.size}."
        )
    return r


def _independent_draws(x: np.ndarray) -> float:
    """Effective sample size of `(chains, draws)`, at most one a draw."""
    return float(np.clip(ess(x, method="mean"), 1.0, x.size)) if np.ptp(x) > 1e-14 * np.abs(x).max() else float(x.size)


def _independent(log_w: np.ndarray) -> tuple[float, float]:
    """Log of the mean of independent weights, some of which may be zero, and its standard error."""
    w = np.exp(log_w - log_w.max())
    return float(np.log(w.mean()) + log_w.max()), float(w.std() / w.mean() / np.sqrt(w.size))
