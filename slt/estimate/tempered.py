r"""$\lambda$ from draws at one or two inverse temperatures: differences, reweighting, WBIC, the variance."""

import warnings
from typing import Any, Literal

import numpy as np

from slt._arrays import SltWarning, check_beta
from slt._mixing import ess
from slt.energy import FreeEnergy, reweight
from slt.energy.record import mean_and_se
from slt.estimate.record import Estimate, Multiplicity, energies, finish, unmixed
from slt.estimate.theory import SMALL, about

WEAK = 3.0  # standard errors that a difference of energies must be worth
SQUARES, WEIGHTED = 200, 50  # draws that squares of energies must be worth: of all of them; of those under weights


def from_temperatures(
    log_lik: Any, betas: Any, *, n: int | None = None, chains: int = 1, multiplicity: Multiplicity = (1, 2)
) -> Estimate:
    r"""$\lambda$ from the mean energies of two runs at neighbouring inverse temperatures.

    $$\hat\lambda = \frac{\mathbb{E}_w^{\beta_1}[n L_n(w)] - \mathbb{E}_w^{\beta_2}[n L_n(w)]}{1/\beta_1 - 1/\beta_2}$$

    Of order $1/\log n$ both; $1/\log n$ and $1.5/\log n$ are Watanabe's choice. The true parameter is not needed.

    **Arguments:** `log_lik`: for each of the two runs the matrix $\log p(X_i \mid w_s)$, shape `(draws, n)`, or its
    sums over observations, shape `(draws,)`. `betas`: the two inverse temperatures, in the same order. `n`: number of
    observations, where sums are given. `chains`: how many chains of equal length each run is, one after the other.
    `multiplicity`: $m$, or the pair between which it lies, for the systematic part $-(m - 1)/\log n\beta$. Give $m = 1$
    only where the next exponent is known to be far: a close one acts like a larger $m$.
    **Returns:** `Estimate` of $\lambda$; the error counts autocorrelation in both runs.
    **Raises:** `ValueError` for shapes, temperatures or counts that make no sense. Warns (`SltWarning`) if the energies
    do not fall by three standard errors from the lower to the higher inverse temperature, if chains have not mixed, and
    if an inverse temperature is above a half, where the theory of small $\beta$ says little.
    **Source:** Watanabe (2013), section 4.

    >>> rng, n = np.random.default_rng(0), 1000  # energies of a model with λ = 3/2 have a gamma distribution
    >>> betas = np.array([1.0, 1.5]) / np.log(n)
    >>> estimate = from_temperatures([-rng.gamma(1.5, 1 / b, 4000) for b in betas], betas, n=n, multiplicity=1)
    >>> bool(abs(estimate.value - 1.5) < 3 * estimate.se), estimate.systematic
    (True, (0.0, 0.0))
    """
    b = _two(betas)
    if len(log_lik) != 2:
        raise ValueError(f"log_lik must hold two runs, one for each temperature; got {len(log_lik)}.")
    (first, n1), (second, n2) = (energies(a, n, chains) for a in log_lik)
    if n1 != n2:
        raise ValueError(f"the two runs must be on the same data; got n = {n1} and {n2}.")
    (high, se1), (low, se2) = mean_and_se(first), mean_and_se(second)
    problems = [*unmixed(first, f" at beta={b[0]:.4g}"), *unmixed(second, f" at beta={b[1]:.4g}")]
    diagnostics = {"energies": (high, low)}
    return _slope(high - low, np.hypot(se1, se2), b, n1, multiplicity, "two temperatures", problems, diagnostics)


def from_reweighting(
    log_lik: Any, betas: Any, *, n: int | None = None, chains: int = 1, multiplicity: Multiplicity = (1, 2)
) -> Estimate:
    r"""$\lambda$ from one run, whose draws are weighted to stand for a second inverse temperature.

    $$\hat\lambda = \frac{\bar U - \sum_s \omega_s U_s}{1/\beta_1 - 1/\beta_2}, \qquad U_s = n L_n(w_s), \quad
    \omega_s \propto e^{-(\beta_2 - \beta_1) U_s}$$

    Both averages are of the same draws, and so is the error: by the influence of each draw,
    $(U_s - \bar U) - S \omega_s (U_s - \sum_t \omega_t U_t)$.

    **Arguments:** `log_lik`: one run, $(draws, n)$ or the sums `(draws,)`. `betas`: the inverse temperature of the run
    and the one to which it is weighted. `n`, `chains`, `multiplicity`: as in `from_temperatures`.
    **Returns:** `Estimate`; `diagnostics` has `ess` and `pareto_k` of the weights.
    **Raises:** `ValueError` and `SltWarning` as in `from_temperatures` and `slt.energy.reweight`. Warns too if the
    draws are worth fewer than 50 after division by $2 + 6/\lambda$, for the tails of the energies.
    **Source:** Watanabe (2013), whose program does this with $\beta_2 = 1.5\, \beta_1$.

    >>> rng, n = np.random.default_rng(0), 1000
    >>> betas = np.array([1.0, 1.5]) / np.log(n)
    >>> estimate = from_reweighting(-rng.gamma(1.5, 1 / betas[0], 4000), betas, n=n, multiplicity=1)
    >>> bool(abs(estimate.value - 1.5) < 3 * estimate.se), bool(estimate.diagnostics["pareto_k"] < 0.7)
    (True, True)
    """
    b = _two(betas)
    energy, n = energies(log_lik, n, chains)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SltWarning)
        weights = reweight(-energy.ravel(), beta=b[0], to=b[1])
    w = np.exp(weights.log_weights).reshape(energy.shape)
    there = float((w * energy).sum())
    influence = (energy - energy.mean()) - w * w.size * (energy - there)
    _, se = mean_and_se(influence)
    value = energy.mean() - there
    problems = [
        *(unmixed(energy, "") or _heavy(energy, value / (1 / b[0] - 1 / b[1]), WEIGHTED)),
        *(str(c.message) for c in caught),
    ]
    diagnostics = {"ess": weights.ess, "pareto_k": weights.pareto_k, "energies": (float(energy.mean()), there)}
    return _slope(value, se, b, n, multiplicity, "reweighting", problems, diagnostics)


def from_variance(
    log_lik: Any, *, beta: float, n: int | None = None, chains: int = 1, multiplicity: Multiplicity = (1, 2)
) -> Estimate:
    r"""$\lambda$ from the posterior variance of the energy, the limit of `from_temperatures` for equal temperatures.

    $$\hat\lambda = \beta^2\, \mathbb{V}_w^{\beta}[n L_n(w)]
    = -\beta^2 \frac{d}{d\beta} \mathbb{E}_w^{\beta}[n L_n(w)]$$

    **Arguments:** `log_lik`: draws at inverse temperature `beta`, $(draws, n)$ or the sums `(draws,)`. `n`, `chains`,
    `multiplicity`: as in `from_temperatures`.
    **Returns:** `Estimate`; the variance over draws has `ddof=0`.
    **Raises:** `ValueError` as in `from_temperatures`. Warns (`SltWarning`) if chains have not mixed, if $\beta$ is
    above a half (at $\beta = 1$ the mean for $N(w^3, 1)$ is 0.26, not 1/6), and if the draws are too few for the heavy
    tails that squares of energies have where $\lambda$ is small: 200 are wanted after division by $2 + 6/\lambda$.
    **Source:** the derivative of the mean energy; Imai (2019) for its use as an estimator.

    >>> rng, n = np.random.default_rng(0), 1000
    >>> estimate = from_variance(-rng.gamma(1.5, np.log(n), 4000), beta=1 / np.log(n), n=n)
    >>> bool(abs(estimate.value - 1.5) < 3 * estimate.se)
    True
    """
    check_beta(beta)
    energy, n = energies(log_lik, n, chains)
    squares = beta**2 * (energy - energy.mean()) ** 2
    value, se = mean_and_se(squares)
    problems = unmixed(energy, "") or _heavy(energy, value, SQUARES)
    parts, theory = about(value, n, (beta,), multiplicity, "variance")
    return finish(value, se, "variance", [*problems, *theory], **parts)


def from_wbic(
    wbic: FreeEnergy,
    baseline: float,
    n: int,
    *,
    at: Literal["minimum", "truth"] = "minimum",
    multiplicity: Multiplicity = (1, 2),
) -> Estimate:
    r"""$\lambda$ from WBIC and the loss of one parameter.

    $$\hat\lambda = \frac{\mathrm{WBIC} - n L_n(w_*)}{\log n}$$

    The mean depends on what $w_*$ is. At the true parameter $w_0$ a regular model gives $\frac d2 (1 - 1/\log n)$ and
    not $\frac d2$. At the minimum of $L_n$ it gives $\frac d2$; at a singular minimum $n L_n(w_0) - n L_n(\hat w)$ has
    another mean than $\lambda$, which theory does not give, and the systematic part, the spread and the interval
    lack it.

    **Arguments:** `wbic`: from `slt.wbic`. `baseline`: $n L_n(w_*)$, a total in nats. `n`: number of observations.
    `at`: what $w_*$ is. `multiplicity`: as in `from_temperatures`.
    **Returns:** `Estimate`; `se` is that of WBIC.
    **Raises:** `ValueError` if a number is not finite or `n` below 3. Warns (`SltWarning`) if the estimate is negative,
    and passes on the problems of `wbic`.
    **Source:** Watanabe (2013), theorem 4; Lau, Furman, Wang, Murfet and Wei (2025) for the minimum.

    >>> estimate = from_wbic(FreeEnergy(1453.3, 0.2), 1450.0, 1000, at="truth", multiplicity=1)
    >>> round(estimate.value, 3), [round(b, 3) for b in estimate.systematic]
    (0.478, [-0.081, -0.026])
    """
    if at not in ("minimum", "truth"):
        raise ValueError(f'at must be "minimum" or "truth"; got {at!r}.')
    if not (isinstance(n, int | np.integer) and n >= 3):
        raise ValueError(f"n must be a number of observations, at least 3, so that log n > 1; got {n!r}.")
    if not (np.ndim(baseline) == 0 and np.isfinite(baseline)):
        raise ValueError(f"baseline must be the finite number n L_n(w); got {baseline!r}.")
    beta = 1 / np.log(n)
    value = beta * (wbic.value - float(baseline))
    problems = list(wbic.problems)
    if value <= 0:
        problems.append(
            f"WBIC {wbic.value:.6g} lies below the baseline {baseline:.6g}, and the estimate {value:.3g} is negative: "
            "the baseline is no minimum, or it is a loss of other data. Give n L_n at the smallest loss found."
        )
    parts, theory = about(value, n, (beta,), multiplicity, "wbic" if at == "truth" else "minimum")
    return finish(value, beta * wbic.se, f"WBIC above the {at}", [*problems, *theory], **parts)


def _two(betas: Any) -> tuple[float, float]:
    b = np.asarray(betas, dtype=np.float64)
    if b.shape != (2,) or not (np.isfinite(b).all() and (b > 0).all()) or b[0] == b[1]:
        raise ValueError(f"betas must be two different positive inverse temperatures; got {betas!r}.")
    return float(b[0]), float(b[1])


def _heavy(energy: np.ndarray, rlct: float, wanted: float) -> list[str]:
    r"""Whether there are draws enough for squares of energies, whose law is $\Gamma(\lambda)$: kurtosis 3 + 6/λ.

    It looks at λ and the number of draws and not at the error, which is small just where the estimate is too low.
    """
    worth = ess(energy, method="mean") / (2 + 6 / max(rlct, SMALL))
    if worth >= wanted:
        return []
    return [
        f"{energy.size} draws are worth {worth:.0f} for the squares of energies with a coefficient of {rlct:.3g} "
        f"(at least {wanted:.0f} wanted): two standard errors cover less than 95 per cent. Draw longer."
    ]


def _slope(fall, se, b, n, multiplicity, method, problems, diagnostics) -> Estimate:
    """The estimate from the fall of the energy between two temperatures."""
    width = 1 / b[0] - 1 / b[1]
    value, se = fall / width, se / abs(width)
    if not value > WEAK * se:
        problems = [
            *problems,
            f"n L_n must fall as beta rises; between beta={min(b):.4g} and {max(b):.4g} it falls by "
            f"{fall * np.sign(width):.3g} ± {se * abs(width):.2g}. The temperatures are too close for that many draws, "
            "or the draws are not from them: take a ratio of 1.5 or more, and draw longer.",
        ]
    parts, theory = about(value, n, b, multiplicity, "temperatures")
    return finish(value, se, method, [*problems, *theory], **parts, diagnostics=diagnostics)
