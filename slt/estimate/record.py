"""What an estimate of a learning coefficient says of itself, and the checks that all estimators share."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slt._arrays import MeanSE, SltWarning
from slt._mixing import ess, rhat
from slt.energy.record import check_finite, split

RHAT, ESS = 1.05, 100  # of the sums nL_n(w) that an estimate is made of
Multiplicity = int | tuple[int, int]


@dataclass(frozen=True)
class Estimate:
    r"""An estimate of $\lambda$ (or $\nu$) with its three errors: of the simulation, of the theory, of the data.

    $$\hat\lambda = \lambda + \underbrace{b}_{\text{systematic}} + \underbrace{\text{data}}_{\text{spread}} +
    \underbrace{\text{Monte Carlo}}_{\text{se}}$$

    **Arguments:** `value`: the estimate as it comes out, nothing subtracted. `se`: standard error of the simulation
    (between data sets, where several were given). `method`: how it was found. `systematic`: `(low, high)`, between
    which $\mathbb{E}[\hat\lambda] - \lambda$ lies by theory to leading order; signed. `spread`: standard deviation
    over data sets, by theory at most, for a truth in the model and small $\beta$; `nan` where nothing is known.
    `reason`: where the two come from. `multiplicity`: $m$, where it was estimated too. `problems`: one sentence, with a
    number and a fix, for each thing that is wrong. `diagnostics`: figures of the method by name.
    **Source:** Watanabe (2013) for the estimators from tempered posteriors.

    >>> print(Estimate(0.41, 0.02, "variance", (-0.2, 0.0), 0.08, "m from 1 to 2"))
    0.4100 ± 0.0200 (variance); systematic part from -0.2000 to +0.0000, over data sets ± 0.0800 (m from 1 to 2)
    """

    value: float
    se: float
    method: str
    systematic: tuple[float, float] = (0.0, 0.0)
    spread: float = 0.0
    reason: str = ""
    multiplicity: MeanSE | None = None
    problems: tuple[str, ...] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.problems

    @property
    def interval(self) -> tuple[float, float]:
        r"""Where the truth lies: the value less its systematic part, and two standard errors of everything random.

        $$\big[\hat\lambda - b_{\text{high}} - 2s,\ \hat\lambda - b_{\text{low}} + 2s\big], \qquad
        s^2 = \text{se}^2 + \text{spread}^2$$
        """
        low, high = self.systematic
        margin = 2 * float(np.hypot(self.se, self.spread))
        return self.value - high - margin, self.value - low + margin

    def __str__(self) -> str:
        low, high = self.systematic
        text = f"{MeanSE(self.value, self.se)} ({self.method}); systematic part from {low:+.4f} to {high:+.4f}"
        text += f", over data sets ± {self.spread:.4f}" + (f" ({self.reason})" if self.reason else "")
        text += "" if self.multiplicity is None else f"; m = {self.multiplicity}"
        return "\n".join([text, *(f"! {p}" for p in self.problems)])


def finish(value: float, se: float, method: str, problems: Any = (), **about: Any) -> Estimate:
    """The record, and a warning with its problems."""
    problems = tuple(problems)
    if not (np.isfinite(value) and np.isfinite(se)):
        problems += (f"the estimate is {value} with error {se}; look at the numbers that went in.",)
    if problems:
        warnings.warn(f"{method}: {' Also, '.join(problems)}", SltWarning, stacklevel=3)
    return Estimate(float(value), float(se), method, problems=problems, **about)


def energies(log_lik: Any, n: int | None, chains: int) -> tuple[np.ndarray, int]:
    r"""$n L_n(w_s)$ as `(chains, draws)`, and n, from `(draws, n)` or its sums `(draws,)`."""
    a = np.asarray(log_lik, dtype=np.float64)
    if a.ndim not in (1, 2):
        raise ValueError(
            f"log_lik must have shape (draws, n), or (draws,) if summed over observations; got {a.shape}. Merge chains "
            "first, one after the other, and say chains=."
        )
    check_finite(a, "log_lik")
    if a.ndim == 1 and n is None:
        raise ValueError(f"log_lik is summed over observations, shape {a.shape}: say how many there were, n=.")
    if a.ndim == 2 and n not in (None, a.shape[1]):
        raise ValueError(f"log_lik has {a.shape[1]} observations, shape {a.shape}; got n={n}. Leave n out.")
    n = a.shape[1] if n is None else n
    if not (isinstance(n, int | np.integer) and n >= 3):
        raise ValueError(f"n must be a number of observations, at least 3, so that log n > 1; got {n!r}.")
    return split(-a.reshape(len(a), -1).sum(1), chains), int(n)


def unmixed(energy: np.ndarray, where: str) -> list[str]:
    """What is wrong with the chains of one run, judged by nL_n, which is what is averaged."""
    if np.ptp(energy) == 0:
        return [f"nL_n is {energy.flat[0]:.6g} in all {energy.size} draws{where}: the chains never moved."]
    enough = energy.shape[1] >= (8 if len(energy) == 1 else 4)
    r, worth = (rhat(energy) if enough else np.nan), ess(energy, method="mean")
    if r <= RHAT and worth >= ESS:
        return []
    return [
        f"R-hat of nL_n is {r:.3f} (at most {RHAT}) and its ESS {worth:.0f} (at least {ESS}){where}: the error is not "
        "to be trusted. Draw longer, or thin less."
    ]


def check_multiplicity(multiplicity: Any) -> tuple[int, int]:
    """The multiplicity as the pair between which it lies."""
    pair = multiplicity if isinstance(multiplicity, tuple) else (multiplicity, multiplicity)
    whole = len(pair) == 2 and all(isinstance(m, int | np.integer) and not isinstance(m, bool) for m in pair)
    if not (whole and 1 <= pair[0] <= pair[1]):
        raise ValueError(
            "multiplicity must be a whole number >= 1, or the pair between which it lies, such as (1, 2); got "
            f"{multiplicity!r}."
        )
    return int(pair[0]), int(pair[1])


def check_one(multiplicity: Any) -> int:
    """The multiplicity as one number, where a pair has no meaning."""
    first, last = check_multiplicity(multiplicity)
    if first != last:
        raise ValueError(f"multiplicity must be one number here; got {multiplicity!r}. Leave it out to have it fitted.")
    return first
