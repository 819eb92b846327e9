r"""The estimate with everything that is needed to judge it, and the verdict in words."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from slt._mixing import ess, rhat
from slt.local.settings import Settings

RHAT, ESS = 1.05, 100  # of all chains: an average with its own error wants less than the quantiles of a posterior do
ACCEPTANCE = {
    "sgld": 0.8,
    "psgld": 0.8,
    "mala": 0.4,
    "nuts": 0.6,
}  # below: the step is too large (0.574 is MALA's optimum)
DRIFT = 4.0  # standard errors between the first and the second half of the draws
SHARE = 0.1  # of the estimate: what a bias may amount to without being named


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate:
    r"""A local learning coefficient as it was estimated; never clipped, never silent.

    $$\hat\lambda(w^*) = \frac1C \sum_{c} \hat\lambda_c, \qquad
    \mathrm{se}^2 = \max\Bigl\{\frac{1}{C(C-1)} \sum_c (\hat\lambda_c - \hat\lambda)^2,\;
    \frac{(n\beta)^2\, \mathbb{V}[L_n(w)]}{\mathrm{ESS}}\Bigr\}$$

    **Arguments:** `excess`: $L_n(w) - L_n(w^*)$ of each draw, nats per observation, shape `(chains, draws)`, on a batch
    where `settings` says so. `distance`: $\|w - w^*\|^2$, same shape. `bias`: of every fourth step, in units of
    $\hat\lambda$ (zero for `"mala"`, `"nuts"`). `acceptance`: mean probability that a Metropolis test accepts a step,
    for batches with the loss of the step's own batch. `baseline`: $L_n(w^*)$ on all the data. `gradient_norm`:
    $\|\nabla L_n(w^*)\|$, over the free coordinates. `descent`: the largest fall of $n\beta L_n$ that was found from
    $w^*$ down its gradient, in units of $\hat\lambda$. `dimension`: free coordinates. `n`, `beta`, `gamma`, `step`,
    `settings`: as they were used. `divergences`: trajectories of NUTS whose energy was lost; of `"mala"` the proposals
    at which the loss is NaN.
    **Source:** Lau, Furman, Wang, Murfet and Wei (2025); Vehtari et al. (2021) for R-hat and ESS.

    >>> import slt
    >>> hasattr(slt.local.Estimate, "check")
    True
    """

    excess: np.ndarray
    distance: np.ndarray
    bias: np.ndarray = field(metadata={"shape": "(chains, steps / 4)"})
    acceptance: float
    baseline: float
    gradient_norm: float
    descent: float
    dimension: int
    n: int
    beta: float
    gamma: float
    step: float
    settings: Settings
    divergences: int = 0

    @property
    def per_chain(self) -> np.ndarray:
        r"""$\hat\lambda_c = n\beta\,(\mathbb{E}_c[L_n(w)] - L_n(w^*))$, shape `(chains,)`."""
        return self.n * self.beta * self.excess.mean(1)

    @property
    def estimate(self) -> float:
        r"""$\hat\lambda(w^*)$, the mean over the chains; NaN where a chain diverged."""
        return float(self.per_chain.mean())

    @cached_property
    def se(self) -> float:
        r"""Standard error of `estimate`: the larger of two that see different things; noise of batches is in both.

        The one between the chains (`ddof=1`) also sees what the autocorrelation of a chain is too short to show, but
        as the spread of $C$ figures it has $C - 1$ degrees of freedom: of four chains, one in twenty agrees by chance
        to a third of the true error. The one from all draws, their variance (`ddof=0`) over the effective number of
        draws for a mean, does not depend on such a chance, and takes the chains for well mixed.
        """
        nats = self.n * self.beta * self.excess
        if not np.isfinite(nats).all():
            return float("nan")
        between = self.per_chain.std(ddof=1) / np.sqrt(len(nats))
        return float(np.fmax(between, nats.std() / np.sqrt(ess(nats, method="mean"))))

    def interval(self, *, level: float = 0.95) -> tuple[float, float]:
        r"""$\hat\lambda \pm t\,\mathrm{se}$, $t$ Student's with $C - 1$ degrees of freedom: wide for few chains.

        It is exact for the error between the chains, and `se` is no smaller. It covers the mean of the estimator with
        this step, $\gamma$, $\beta$ and data, not $\lambda$; and it knows nothing of a region that no chain has
        visited.
        """
        half = float(stdtrit(len(self.per_chain) - 1, (1 + level) / 2)) * self.se
        return self.estimate - half, self.estimate + half

    @property
    def losses(self) -> np.ndarray:
        """$L_n$ along the chains, nats per observation, shape `(chains, draws)`: the trace to plot."""
        return self.baseline + self.excess

    @property
    def step_bias(self) -> float:
        r"""How much the step and the noise of batches raise $\hat\lambda$: $\frac{\varepsilon}{8}
        \mathbb{E}[n\beta g \cdot A\,\nabla U]$.

        Exact for a quadratic loss if there are no batches or $\gamma = 0$; elsewhere a guide for small steps.
        """
        return float(self.bias.mean())

    @property
    def corrected(self) -> float:
        """`estimate` minus `step_bias`; the estimate itself is left as it was measured."""
        return self.estimate - self.step_bias

    @property
    def gamma_slope(self) -> float:
        r"""$d\hat\lambda / d\log\gamma = -\frac{\gamma}{2} \mathrm{Cov}(n\beta L_n, \|w - w^*\|^2)$ over the draws.

        Near zero where the localization does not matter; exact for every loss, up to the step and the noise of draws.
        """
        a, b = self.n * self.beta * self.excess, self.distance
        return float(-self.gamma / 2 * ((a - a.mean()) * (b - b.mean())).mean())

    @cached_property
    def rhat(self) -> float:
        """R-hat, the larger of that of the loss and that of the distance from w*; NaN if a chain diverged."""
        return self._worst(rhat, np.fmax)

    @cached_property
    def ess(self) -> float:
        """Effective number of draws of all chains, the smaller of that of the loss and that of the distance."""
        return self._worst(ess, np.fmin)

    @property
    def drift(self) -> tuple[float, float]:
        r"""How far the second half of the draws lies above the first, in units of $\hat\lambda$, and its error."""
        half = self.excess.shape[1] // 2
        change = self.n * self.beta * (self.excess[:, -half:].mean(1) - self.excess[:, :half].mean(1))
        return float(change.mean()), float(change.std(ddof=1) / np.sqrt(len(change)))

    def problems(self) -> tuple[str, ...]:
        """A sentence with its number and a fix for each thing that is wrong; empty when nothing is."""
        from slt.local.verdict import verdicts

        return tuple(text for good, text in verdicts(self) if not good)

    def check(self) -> str:
        """The verdict, one line for each diagnostic: `ok` or `LOOK`, the number, what it should be and what to do."""
        from slt.local.verdict import verdicts

        return "\n".join([str(self), *(f"{'ok  ' if good else 'LOOK'}  {text}" for good, text in verdicts(self))])

    def __repr__(self) -> str:
        s = self.settings
        batch = "all the data" if s.batch_size is None else f"batches of {s.batch_size}"
        return (
            f"Estimate({self.estimate:.4g} ± {self.se:.2g}; {s.sampler}, {s.chains} chains x {s.draws} draws, step "
            f"{self.step:.3g}, gamma {self.gamma:.3g}, {batch}, n = {self.n}, "
            f"inverse temperature beta = {self.beta:.4g})"
        )

    def _worst(self, diagnostic, choose) -> float:
        if not np.isfinite(self.excess).all():
            return float("nan")
        return float(choose(diagnostic(self.excess), diagnostic(self.distance)))
