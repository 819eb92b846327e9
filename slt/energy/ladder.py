r"""Free energy from a ladder of inverse temperatures $0 = \beta_0 < \dots < \beta_K$, with draws at each rung."""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import brentq

from slt._arrays import MeanSE, check_beta
from slt.energy.record import (
    FEW,
    HEAVY_TAIL,
    FreeEnergy,
    check_finite,
    effective_weights,
    estimate,
    log_mean,
    mean_and_se,
    pareto_k,
)

APART = 0.01  # overlap of the energies of neighbouring rungs below which they are called disjoint
STANDARD_ERRORS = 5.0  # by which the forward and the backward ratio may differ


def power_ladder(rungs: int, *, beta: float = 1.0, power: float = 5.0) -> np.ndarray:
    r"""Inverse temperatures that crowd near the prior, where the energy changes fastest.

    $$\beta_k = \beta \Big(\frac kK\Big)^p, \qquad k = 0, \dots, K$$

    **Arguments:** `rungs`: $K + 1$. `beta`: the last one. `power`: $p$.
    **Returns:** shape `(rungs,)`, from 0 to `beta`.
    **Raises:** `ValueError` for fewer than two rungs, or a power or `beta` that is not positive.
    **Source:** Friel and Pettitt (2008); Calderhead and Girolami (2009).

    >>> power_ladder(3).tolist()
    [0.0, 0.03125, 1.0]
    """
    check_beta(beta)
    if rungs < 2 or not power > 0:
        raise ValueError(f"a ladder wants at least two rungs and a positive power; got rungs={rungs}, power={power}.")
    return beta * (np.arange(rungs) / (rungs - 1)) ** power


def thermodynamic_integration(log_lik: Any, betas: Any, *, beta: float = 1.0) -> FreeEnergy:
    r"""Free energy as the area under the mean energy over the ladder.

    $$\beta F_n(\beta) = \int_0^\beta \mathbb{E}_w^b[n L_n(w)]\,db, \qquad
    \int_{b}^{b'} f \approx \frac{\Delta}{2}\,(f_b + f_{b'}) - \frac{\Delta^2}{12}\,(f'_{b'} - f'_b), \qquad
    f'_b = -\mathbb{V}_w^b[n L_n(w)]$$

    **Arguments:** `log_lik`: sums $\sum_i \log p(X_i \mid w)$ at the draws of each rung, shape `(rungs, draws)` or
    `(rungs, chains, draws)`, untempered. `betas`: the rungs, shape `(rungs,)`, rising from exactly 0, where the draws
    are from the prior. `beta`: the rung at which $F_n(\beta)$ is wanted.
    **Returns:** `FreeEnergy`. `se` has two parts, both in `diagnostics`: `monte_carlo` (by effective sample size) and
    `discretization` (from the rule on every other rung).
    **Raises:** `ValueError` for shapes that do not fit, a ladder that does not rise from 0 or has no rung `beta`, a
    log-likelihood that is not finite. Warns (`SltWarning`) if neighbouring energies do not overlap (a jump of the
    energy, which no rule can integrate) or if the ladder is too coarse.
    **Source:** Gelman and Meng (1998); Friel, Hurn and Wyse (2014) for the correction by the variance.

    >>> ladder = power_ladder(20)
    >>> energy = np.random.default_rng(0).gamma(2.0, 1 / (1 + ladder[:, None]), (20, 4000))  # Z(b) = (1 + b)^-2
    >>> estimate = thermodynamic_integration(-energy, ladder)
    >>> bool(abs(estimate.value - 2 * np.log(2)) < 3 * estimate.se)
    True
    """
    total, b = _check_ladder(log_lik, betas, beta)
    fine, errors = _area(total, b)
    keep = sorted({*range(0, len(b), 2), len(b) - 1})
    coarse = _area(total[keep], b[keep])[0] if len(b) > 2 else fine
    discretization = abs(fine - coarse) / 15 if len(b) > 2 else np.inf
    monte_carlo = float(np.sqrt((errors**2).sum()))
    problems = _jumps(total, b)
    if not discretization < max(0.1, 3 * monte_carlo):
        problems.append(
            f"the ladder of {len(b)} rungs is too coarse: every other rung alone changes the area by "
            f"{abs(fine - coarse):.2g} nats. Use more rungs, or stepping_stone, which has no such error."
        )
    diagnostics = {"monte_carlo": monte_carlo / beta, "discretization": discretization / beta}
    se = float(np.hypot(monte_carlo, discretization)) / beta
    return estimate(fine / beta, se, beta, "thermodynamic integration", problems, diagnostics)


def stepping_stone(log_lik: Any, betas: Any, *, beta: float = 1.0) -> FreeEnergy:
    r"""Free energy as a product of ratios between neighbouring rungs.

    $$Z_n(\beta) = \prod_{k} \frac{Z_n(\beta_{k+1})}{Z_n(\beta_k)}, \qquad
    \frac{Z_n(\beta_{k+1})}{Z_n(\beta_k)} = \mathbb{E}_w^{\beta_k}\big[e^{-(\beta_{k+1} - \beta_k)\, n L_n(w)}\big]$$

    **Arguments:** `log_lik`, `betas`, `beta`: as in `thermodynamic_integration`.
    **Returns:** `FreeEnergy`; `diagnostics` has, for each step, `ess` and `pareto_k` of the weights, `overlap` of the
    two energy distributions (1: equal, 0: disjoint) and `gap`, the ratio forward minus the ratio backward, nats.
    **Raises:** `ValueError` as in `thermodynamic_integration`. Warns (`SltWarning`) where energies do not overlap,
    where forward and backward ratio differ by more than five standard errors, and where the weights fail.
    **Source:** Xie, Lewis, Fan, Kuo and Chen (2011); Bennett (1976) for the two directions.

    >>> ladder = power_ladder(20)
    >>> energy = np.random.default_rng(0).gamma(2.0, 1 / (1 + ladder[:, None]), (20, 4000))  # Z(b) = (1 + b)^-2
    >>> estimate = stepping_stone(-energy, ladder)
    >>> bool(abs(estimate.value - 2 * np.log(2)) < 3 * estimate.se)
    True
    """
    total, b = _check_ladder(log_lik, betas, beta)
    steps = [(np.diff(b)[k] * total[k], -np.diff(b)[k] * total[k + 1]) for k in range(len(b) - 1)]
    forward = np.array([log_mean(up) for up, _ in steps])
    backward = np.array([log_mean(down) for _, down in steps])
    gap = forward[:, 0] + backward[:, 0]
    worth = np.array([effective_weights(up) for up, _ in steps])
    k = np.array([pareto_k(up) for up, _ in steps])
    problems = _jumps(total, b)
    reliable = np.hypot(forward[:, 1], backward[:, 1]) < 0.5  # beyond that an error is no error any more
    differ = np.flatnonzero(reliable & (np.abs(gap) > STANDARD_ERRORS * np.hypot(forward[:, 1], backward[:, 1])))
    if differ.size and not problems:
        j = int(differ[np.argmax(np.abs(gap[differ]))])
        problems.append(
            f"between beta={b[j]:.4g} and {b[j + 1]:.4g} the ratio is {forward[j, 0]:.3f} forwards and "
            f"{-backward[j, 0]:.3f} backwards, {abs(gap[j]) / np.hypot(forward[j, 1], backward[j, 1]):.0f} standard "
            "errors apart: a rung has not reached its own distribution. Run its chains longer, from both sides."
        )
    weak = np.flatnonzero((k > HEAVY_TAIL) | (worth < min(FEW, total[0].size / 2)))
    if weak.size:
        j = int(weak[np.argmin(worth[weak])])
        problems.append(
            f"from beta={b[j]:.4g} to {b[j + 1]:.4g} the {total[j].size} draws are worth {worth[j]:.1f} (Pareto k = "
            f"{k[j]:.2f}, threshold {HEAVY_TAIL}; {weak.size} step(s) fail). Put rungs in between."
        )
    diagnostics = {"ess": worth, "pareto_k": k, "overlap": _overlap(total), "gap": gap}
    value, se = -forward[:, 0].sum() / beta, np.sqrt((forward[:, 1] ** 2).sum()) / beta
    return estimate(value, se, beta, "stepping stone", problems, diagnostics)


def optimal_beta(log_lik: Any, betas: Any) -> MeanSE:
    r"""The inverse temperature $\beta^*$ at which the mean energy equals the free energy.

    $$\mathbb{E}_w^{\beta^*}[n L_n(w)] = F_n(1), \qquad
    \beta^* = \frac{1}{\log n} \Big(1 + \frac{U_n}{\sqrt{2 \lambda \log n}} + \dots\Big)$$

    WBIC takes $1/\log n$ for it; the mean energy falls with $\beta$, so that $\beta^*$ is unique.

    **Arguments:** `log_lik`, `betas`: as in `thermodynamic_integration`, a ladder from 0 to at least 1.
    **Returns:** `MeanSE`: $\beta^*$ and its standard error, by the delta method. A rung whose draws have too much
    energy raises the mean energy and $F_n$ alike; the error counts that both come from the same draws.
    **Raises:** `ValueError` and warnings as in `stepping_stone`; `ValueError` if the energy does not vary.
    **Source:** Watanabe (2013), section 4.

    >>> ladder = power_ladder(20)
    >>> energy = np.random.default_rng(0).gamma(2.0, 1 / (1 + ladder[:, None]), (20, 4000))  # mean 2 / (1 + b)
    >>> found = optimal_beta(-energy, ladder)
    >>> bool(abs(found.mean - (1 / np.log(2) - 1)) < 3 * found.se)
    True
    """
    free = stepping_stone(log_lik, betas)
    total, b = _check_ladder(log_lik, betas, 1.0)
    if np.ptp(total) == 0:
        raise ValueError("the log-likelihood is the same at every draw: every beta is optimal. Look at the model.")

    def energy(at: float) -> float:
        k = int(np.clip(np.searchsorted(b, at) - 1, 0, len(b) - 2))
        share = (at - b[k]) / (b[k + 1] - b[k])
        return sum(s * _tilted_mean(-total[j], b[j] - at) for j, s in ((k, 1 - share), (k + 1, share)))

    root: Any = brentq(lambda v: energy(v) - free.value, b[0], b[-1])  # E^0 >= F >= E^1, by convexity of log Z
    at = float(root)
    k = int(np.clip(np.searchsorted(b, at) - 1, 0, len(b) - 2))
    high = (at - b[k]) / (b[k + 1] - b[k])
    errors, slope = [], 0.0
    for j, t in enumerate(total):  # what one draw of rung j does to the mean energy minus F
        effect = np.zeros_like(t)
        if j < len(b) - 1:
            w = np.exp((b[j + 1] - b[j]) * (t - t.max()))
            effect += w / w.mean()
        if share := {k: 1 - high, k + 1: high}.get(j, 0.0):
            log_w = (at - b[j]) * t
            w = np.exp(log_w - log_w.max())
            away = -t - (w * -t).sum() / w.sum()
            effect += share * w * away / w.mean()
            slope += share * (w * away**2).sum() / w.sum()
        errors.append(mean_and_se(effect)[1])
    return MeanSE(at, float(np.sqrt(np.square(errors).sum()) / slope))


def _check_ladder(log_lik: Any, betas: Any, beta: float) -> tuple[np.ndarray, np.ndarray]:
    check_beta(beta)
    total, b = np.asarray(log_lik, dtype=np.float64), np.asarray(betas, dtype=np.float64)
    if total.ndim == 2:
        total = total[:, None, :]
    if b.ndim != 1 or len(b) < 2 or total.ndim != 3 or len(total) != len(b) or total.shape[2] < 4:
        raise ValueError(
            "log_lik must hold sums over observations, shape (rungs, draws) or (rungs, chains, draws) with at least "
            f"four draws, and betas one number per rung, at least two; got {np.shape(log_lik)} and {b.shape}."
        )
    if b[0] != 0 or not (np.diff(b) > 0).all() or not np.isfinite(b).all():
        raise ValueError(
            f"a ladder rises from beta=0, the prior, where log Z = 0 is known; got {b[0]:.4g} to {b[-1]:.4g}. Add a "
            "rung of draws from the prior, or sort the rungs: slt.energy.power_ladder(32) is one."
        )
    top = np.flatnonzero(np.isclose(b, beta, rtol=1e-9, atol=0.0))
    if not top.size:
        raise ValueError(f"the ladder has no rung at beta={beta:.6g}, only {np.round(b, 6).tolist()}. Add one.")
    keep = slice(0, int(top[0]) + 1)
    return check_finite(total[keep], "log_lik"), b[keep]


def _area(total: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Corrected trapezoid of the mean energy, and the Monte Carlo error of what each rung contributes."""
    delta = np.diff(b)
    weight = np.r_[delta, 0] / 2 + np.r_[0, delta] / 2
    slope = np.r_[delta**2, 0] / 12 - np.r_[0, delta**2] / 12  # minus f' is the variance
    mean = total.mean((1, 2), keepdims=True)
    parts = [mean_and_se(-w * t - s * (t - m) ** 2) for w, s, t, m in zip(weight, slope, total, mean, strict=True)]
    return sum(value for value, _ in parts), np.array([se for _, se in parts])


def _overlap(total: np.ndarray) -> np.ndarray:
    """Twice the chance that a draw of the lower rung has the higher likelihood: 1 for equal rungs, 0 for disjoint."""
    found = []
    for low, high in pairwise(total):
        below = np.searchsorted(np.sort(low.ravel()), high.ravel(), side="left")
        above = np.searchsorted(np.sort(low.ravel()), high.ravel(), side="right")
        found.append(2 - (below + above).mean() / low.size)
    return np.clip(found, 0.0, 1.0)


def _jumps(total: np.ndarray, b: np.ndarray) -> list[str]:
    overlap = _overlap(total)
    apart = np.flatnonzero(overlap < APART)
    if not apart.size:
        return []
    j = int(apart[np.argmin(overlap[apart])])
    return [
        f"the energies at beta={b[j]:.4g} and {b[j + 1]:.4g} do not overlap ({-total[j].mean():.1f} and "
        f"{-total[j + 1].mean():.1f} nats; {apart.size} such gap(s)): either the rungs are too far apart, or the "
        "posterior jumps there (a first-order transition), and then no ladder helps. Put rungs in between and look "
        "again; if a gap stays, compare the phases by bridge sampling in each."
    ]


def _tilted_mean(energy: np.ndarray, by: float) -> float:
    log_w = by * energy
    w = np.exp(log_w - log_w.max())
    return float((w * energy).sum() / w.sum())
