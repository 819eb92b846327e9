"""What an estimate of a free energy says of itself, and the averages with errors that all estimates are made of."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slt import _tail
from slt._arrays import MeanSE, SltWarning
from slt._arviz import MINIMUM_DRAWS
from slt._mixing import ess

HEAVY_TAIL = 0.7  # Pareto k beyond which a mean of weights and its error are not to be trusted
FEW = 50  # effective number of weights below which the error of their mean is itself unknown


@dataclass(frozen=True)
class FreeEnergy:
    r"""An estimate of the free energy $F_n(\beta) = -\frac1\beta \log Z_n(\beta)$, and its error.

    **Arguments:** `value`: $F_n(\beta)$ in nats; `nan` where the estimate was refused. `se`: its standard error.
    `beta`: the inverse temperature. `method`: how it was found. `problems`: one sentence, with a number and a fix, for
    each thing that is wrong; empty when nothing is. `diagnostics`: figures of the method by name.
    **Source:** Watanabe (2018), section 1.7.

    >>> estimate = FreeEnergy(9.0098, 0.0021, method="bridge sampling")
    >>> print(estimate)
    9.0098 ± 0.0021 nats (bridge sampling, beta=1)
    >>> estimate.ok, estimate.log_evidence
    (True, -9.0098)
    """

    value: float
    se: float
    beta: float = 1.0
    method: str = ""
    problems: tuple[str, ...] = ()
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def log_evidence(self) -> float:
        r"""$\log Z_n(\beta) = -\beta F_n(\beta)$, nats; its standard error is `beta * se`."""
        return -self.beta * self.value

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.problems

    def __str__(self) -> str:
        known = bool(np.isfinite(self.value) and np.isfinite(self.se))
        text = f"{f'{MeanSE(self.value, self.se)} nats' if known else 'no value'} ({self.method}, beta={self.beta:.4g})"
        return "\n".join([text, *(f"! {p}" for p in self.problems)])


def log_bayes_factor(a: FreeEnergy, b: FreeEnergy) -> MeanSE:
    r"""Logarithm of the Bayes factor of model $a$ against model $b$ on the same data, with its error.

    $$\log B_{ab} = \log \frac{Z_n^a(1)}{Z_n^b(1)} = F_n^b - F_n^a, \qquad
    \mathrm{se} = \sqrt{\mathrm{se}_a^2 + \mathrm{se}_b^2}$$

    **Arguments:** `a`, `b`: free energies at $\beta = 1$, from independent runs.
    **Returns:** `MeanSE`, nats; positive favours $a$.
    **Raises:** `ValueError` if an estimate was refused, has problems, or is not at $\beta = 1$.
    **Source:** Watanabe (2018), section 9.2; Kass and Raftery (1995).

    >>> print(log_bayes_factor(FreeEnergy(10.0, 0.03), FreeEnergy(12.0, 0.04)))
    2.0000 ± 0.0500
    """
    for name, energy in (("a", a), ("b", b)):
        if energy.beta != 1.0:
            raise ValueError(
                f"a Bayes factor compares evidences, at beta=1; {name} is at beta={energy.beta}. Estimate it at beta=1."
            )
        if not energy.ok or not np.isfinite(energy.value):
            raise ValueError(
                f"the free energy of {name} is not to be trusted: {' '.join(energy.problems) or 'it is not finite.'}"
            )
    return MeanSE(b.value - a.value, float(np.hypot(a.se, b.se)))


def estimate(value, se, beta, method, problems=(), diagnostics=None) -> FreeEnergy:
    """The record, and a warning with its problems."""
    problems = tuple(problems)
    if not (np.isfinite(value) and np.isfinite(se)):
        problems += (f"the estimate is {value} with error {se}: no draw carries weight. Use more or closer rungs.",)
    if problems:
        warnings.warn(f"{method}: {' Also, '.join(problems)}", SltWarning, stacklevel=3)
    return FreeEnergy(float(value), float(se), float(beta), method, problems, diagnostics or {})


def pooled(a: FreeEnergy, b: FreeEnergy) -> tuple[float, float, float]:
    """The mean of two independent estimates weighted by their precision, its error, and how many errors they differ."""
    total = np.hypot(a.se, b.se)
    if total == 0:
        return a.value, 0.0, 0.0 if a.value == b.value else np.inf
    share = (b.se / total) ** 2
    return share * a.value + (1 - share) * b.value, float(a.se * b.se / total), float(abs(a.value - b.value) / total)


def split(values: Any, chains: int) -> np.ndarray:
    """`(draws,)` as `(chains, draws)`, chain after chain, in float64."""
    a = np.asarray(values, dtype=np.float64)
    if not isinstance(chains, int | np.integer) or chains < 1 or len(a) % chains or len(a) < 4 * chains:
        raise ValueError(
            f"chains must divide the {len(a)} draws into chains of at least four draws each; got chains={chains!r}."
        )
    return a.reshape(chains, -1)


def mean_and_se(x: np.ndarray) -> tuple[float, float]:
    r"""Mean of `(chains, draws)` and its standard error $\sqrt{\mathbb{V} / \mathrm{ESS}}$, never above one a draw."""
    spread = x.std()
    if spread <= 1e-14 * np.abs(x).max():
        return float(x.mean()), 0.0
    return float(x.mean()), float(spread / np.sqrt(np.clip(ess(x, method="mean"), 1.0, x.size)))


def log_mean(log_w: np.ndarray) -> tuple[float, float]:
    r"""$\log \frac1S \sum_s \omega_s$ of log-weights `(chains, draws)`, and its standard error by the delta method."""
    top = log_w.max()
    mean, se = mean_and_se(np.exp(log_w - top))
    return float(np.log(mean) + top), se / mean


def effective_weights(log_w: np.ndarray) -> float:
    r"""How many equal weights these are worth, $(\sum\omega)^2 / \sum\omega^2$."""
    w = np.exp(log_w - log_w.max())
    return float(w.sum() ** 2 / (w**2).sum())


def pareto_k(log_w: np.ndarray) -> float:
    """Shape of the upper tail of the weights; minus infinity where there are too few draws to see one."""
    return _tail.shape(log_w.ravel()) if log_w.size >= MINIMUM_DRAWS else -np.inf


def check_finite(a: np.ndarray, name: str) -> np.ndarray:
    """Raise `ValueError` with count and place of what is not finite."""
    bad = ~np.isfinite(a)
    if bad.any():
        raise ValueError(
            f"{name} must be finite; {int(bad.sum())} of {bad.size} entries are not (first at "
            f"{tuple(int(i) for i in np.argwhere(bad)[0])}). Look at those draws first."
        )
    return a
