r"""What the estimators are on average at a finite $n$: the part of their error that no simulation removes."""

from typing import Any, Literal

import numpy as np
from scipy.special import gammaln

from slt.estimate.record import Multiplicity, check_multiplicity

Method = Literal["temperatures", "variance", "wbic", "minimum"]
METHODS = ("temperatures", "variance", "wbic", "minimum")
SMALL = 1e-3  # λ below which no estimate is believed
LARGE = 0.5  # β above which a theory of small β says little
MEANT = 10.0  # β above which n β is more likely what was given
SECOND = 1.5  # times 1 / log n, the second temperature of Watanabe's estimator


def expected(
    rlct: float, n: Any, *, multiplicity: Multiplicity = 1, betas: Any = None, method: Method = "temperatures"
) -> tuple[Any, Any]:
    r"""The mean over data sets of an estimator of $\lambda$, by theory: between which two numbers it lies.

    From $-\log Z_n(\beta) \approx n\beta L_n(w_0) + \lambda \log n\beta - (m - 1) \log(\log n\beta + a)$ the mean
    energy is $e(\beta) = \frac\lambda\beta - \frac{m - 1}{\beta\ell}$ above $n L_n(w_0)$, where $\ell = \log n\beta +
    a$, and the estimators are

    $$\text{temperatures:}\ \frac{e(\beta_1) - e(\beta_2)}{1/\beta_1 - 1/\beta_2}, \qquad
    \text{variance:}\ -\beta^2 e'(\beta) = \lambda - (m - 1)\Big(\frac1\ell + \frac1{\ell^2}\Big),$$
    $$\text{minimum:}\ \beta e(\beta) = \lambda - \frac{m - 1}\ell, \qquad
    \text{wbic:}\ \beta e(\beta) - s\beta\lambda, \quad
    1 - \frac1\lambda \Big(\frac{\Gamma(\lambda + \frac12)}{\Gamma(\lambda)}\Big)^2 \le s \le 1$$

    The pair $(\lambda, m)$ does not know the constant $a$. The two numbers belong to $a = 0$, the leading order, and $a
    = 1/\lambda$, the constant of $V(\epsilon) = \epsilon^\lambda(1 - \lambda \log\epsilon)$, two equal exponents on the
    unit square; neither is a bound, and a wide prior has a larger $a$, which puts the mean closer to $\lambda$. The
    term with $s$ is the mean of the noise of the data at $w_0$: for a truth in the model, where $\xi$ has variance 2,
    it is $-\frac{\beta^2}2 \mathbb{E}\,\mathbb{V}[\sqrt t\, \xi]$ in $-\log Z_n$; $s = 1$ for regular models, and
    wherever $\xi$ averages to zero over the deepest singularities. The next pole $-\lambda'$ of the zeta function adds
    a part of order $(n\beta)^{-(\lambda' - \lambda)}$, which is not counted here and is large where two exponents
    almost agree.

    **Arguments:** `rlct`: $\lambda$. `n`: number of observations, or an array of them. `multiplicity`: $m$, or the
    pair between which it lies. `betas`: the inverse temperatures, two for `"temperatures"` and one else; if left out,
    $1/\log n$ and, where there are two, $1.5/\log n$. `method`: which estimator: `"wbic"` is measured from
    $n L_n(w_0)$, `"minimum"` is WBIC from the minimum of a regular model.
    **Returns:** two numbers (or arrays), the lower and the upper one; equal where theory leaves no room.
    **Raises:** `ValueError` for $n < 3$, a temperature with $n\beta \le e$, an unknown method.
    **Source:** Watanabe (2013), theorem 4 and its proof; the expectations as derived here.

    >>> low, high = expected(0.5, 1000, method="wbic")
    >>> round(low, 4), round(high, 4)  # a regular model: 0.5 (1 - 1 / log n)
    (0.4276, 0.4737)
    >>> [round(float(a), 4) for a in expected(0.5, 10**6, multiplicity=2)]
    [0.4044, 0.4197]
    """
    first, last = check_multiplicity(multiplicity)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    size = np.asarray(n, dtype=np.float64)
    if not (size >= 3).all():
        raise ValueError(f"n must be at least 3, so that log n > 1; got {n!r}.")
    g = _gamma_ratio(rlct)
    b = _betas(betas, size, 2 if method == "temperatures" else 1)
    noise = (-rlct * b[0], -(rlct - g**2) * b[0]) if method == "wbic" else (0.0, 0.0)
    low = rlct - (last - 1) * _share(size, b, 0.0, method) + noise[0]
    high = rlct - (first - 1) * _share(size, b, 1 / rlct, method) + noise[1]
    return (low, high) if size.ndim else (float(low), float(high))


def _share(n: Any, b: list[Any], a: float, method: Method) -> Any:
    """By how much each unit of m - 1 lowers an estimator."""
    depth = np.log(n * b[0]) + a
    if method == "temperatures":
        return (1 / (b[0] * depth) - 1 / (b[1] * (np.log(n * b[1]) + a))) / (1 / b[0] - 1 / b[1])
    return 1 / depth + (1 / depth**2 if method == "variance" else 0.0)


def spread(rlct: float, betas: Any, method: Method) -> float:
    r"""Standard deviation of an estimator over data sets, at most: the truth lies in the model, leading order.

    The energy fluctuates by $U_n \sqrt{\lambda / 2\beta}$ with $\mathbb{V}[U_n] \le g^2/\lambda$,
    $g = \Gamma(\lambda + \frac12)/\Gamma(\lambda)$, hence the estimators by

    $$\frac{g}{\sqrt2\,(\beta_1^{-1/2} + \beta_2^{-1/2})}, \qquad \frac g2 \sqrt{\frac\beta2}, \qquad
    \sqrt{\frac{g^2 \beta}2 + \lambda \beta^2}$$

    where the last has the noise of order one of a regular model, $\frac12 \chi^2_d$, beside it.
    """
    b, g = np.atleast_1d(betas), _gamma_ratio(rlct)
    if method == "temperatures":
        return float(g / np.sqrt(2) / (b**-0.5).sum())
    if method == "variance":
        return float(g / 2 * np.sqrt(b[0] / 2))
    return float(np.sqrt(g**2 * b[0] / 2 + rlct * b[0] ** 2))


def about(value: float, n: int, betas: Any, multiplicity: Any, method: Method) -> tuple[dict[str, Any], list[str]]:
    """The systematic part and the spread of an estimate, and what is wrong with their theory.

    The systematic part is measured from the two values of $\\lambda$ whose expected estimates are the one found.
    """
    first, last = check_multiplicity(multiplicity)
    smallest = float(n * np.min(betas))
    m = f"m = {first}" if first == last else f"m from {first} to {last}"
    if not (smallest > np.e and np.isfinite(value)):
        problem = (
            f"n beta = {smallest:.3g} for n = {n}: the theory wants log(n beta) > 1, well above {np.e:.2f}. Raise beta."
        )
        return {"systematic": (-np.inf, np.inf), "spread": np.nan, "reason": m}, [problem]
    ends = []
    for side in (0, 1):
        rlct = max(value, SMALL)
        for _ in range(100):  # expected(λ) is close to λ + const, so that this converges at once
            rlct = max(
                rlct + value - expected(rlct, n, multiplicity=(first, last), betas=betas, method=method)[side], SMALL
            )
        ends.append(rlct)
    wide = spread(float(np.mean(ends)), betas, method)
    reason = f"{m}, log(n beta) = {np.log(smallest):.3g}"
    problems = []
    if (largest := float(np.max(betas))) > LARGE:
        problems.append(
            f"beta = {largest:.3g} is not small (at most {LARGE}): the mean over data sets is no longer the "
            f"coefficient, nor the spread bounded. Draw at a beta of order 1/log n = {1 / np.log(n):.3g}."
            + (" Was n beta meant? beta is the inverse temperature alone." if largest > MEANT else "")
        )
    parts = {"systematic": (float(value - ends[0]), float(value - ends[1])), "spread": wide, "reason": reason}
    return parts, problems


def _gamma_ratio(rlct: float) -> float:
    if not (np.isfinite(rlct) and rlct > 0):
        raise ValueError(f"rlct must be a positive number; got {rlct!r}.")
    return float(np.exp(gammaln(rlct + 0.5) - gammaln(rlct)))


def _betas(betas: Any, n: np.ndarray, count: int) -> list[Any]:
    if betas is None:
        return [1 / np.log(n), SECOND / np.log(n)][:count]
    b = np.atleast_1d(np.asarray(betas, dtype=np.float64))
    if b.shape != (count,) or not (np.isfinite(b).all() and (b > 0).all()) or len(set(b.tolist())) < count:
        raise ValueError(f"betas must be {count} positive number(s), different from one another; got {betas!r}.")
    if not (n * b.min() > np.e).all():
        raise ValueError(f"n beta must exceed e = 2.72 (log n beta > 1); got {float(np.min(n) * b.min()):.3g}.")
    return list(b)
