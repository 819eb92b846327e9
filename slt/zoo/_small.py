"""Toy potentials, the multinomial distribution, autoregression and the eight schools (floor 4)."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from slt.rlct import LearningCoefficient, normal_crossing
from slt.rlct._sizes import check_exponent, check_size
from slt.triple import Triple
from slt.zoo import _equations
from slt.zoo._autoregression import Autoregression
from slt.zoo._kept import kept
from slt.zoo._specimen import Specimen, known, regular, unknown

EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


@kept
def monomial(*, powers: Sequence[int] = (2,), prior_powers: Sequence[Any] | None = None, mean: float = 0.0) -> Specimen:
    r"""The toy potentials: a normal distribution whose mean is a monomial.

    $$p(x \mid w) = N(x \mid w_1^{k_1} \cdots w_d^{k_d}, 1), \qquad q = N(c, 1), \qquad
    \varphi(w) \propto \prod_j |w_j|^{h_j}$$

    For $c = 0$, $K = \frac12 w^{2k}$ and $\lambda = \min_j (h_j + 1)/(2k_j)$, with $m$ the number of $j$ that attain
    it. If the monomial takes the value $c \ne 0$, the zeros of $K$ are a smooth hypersurface: $\lambda = \frac12$,
    $m = 1$. If $c < 0$ and the monomial is never negative, the truth is not in the model, $K = |c|\, w^k + \frac12
    w^{2k}$ and $\lambda$ is twice that of $c = 0$.

    **Arguments:** `powers`: $k_j \ge 1$. `prior_powers`: $h_j > -1$, zero if left out; where $h_j = 0$, $w_j$ is
    uniform on $[-1, 1]$, elsewhere $w_j$ has the density $(h_j + 1) w_j^{h_j}$ on $[0, 1]$. `mean`: $c$, in $(-1, 1)$.
    **Returns:** a `Specimen` with the parameters `w1`, `w2`, ... (one alone is `w`).
    **Raises:** `ValueError` if a power is no positive integer, a prior power at most -1, or `mean` not in $(-1, 1)$.
    **Source:** Watanabe (2009), chapter 4, normal crossings; the cases of $c \ne 0$ as derived here.

    >>> monomial(powers=(1, 1)).coefficient
    LearningCoefficient(rlct=1/2, multiplicity=2, exact; normal crossing)
    >>> monomial(powers=(2,), mean=-0.5).coefficient.rlct
    Fraction(1, 2)
    """
    k = [check_size(f"powers[{j}]", power) for j, power in enumerate(powers)]
    h = [Fraction(str(b)) for b in ([0] * len(k) if prior_powers is None else prior_powers)]
    crossing = normal_crossing(k, h)
    if not -1 < mean < 1:
        raise ValueError(f"mean must lie strictly between -1 and 1, the values of the monomial; got {mean}.")
    names = ["w"] if len(k) == 1 else [f"w{j + 1}" for j in range(len(k))]
    prior = {w: dist.Beta(float(b + 1), 1.0) if b else dist.Uniform(-1.0, 1.0) for w, b in zip(names, h, strict=True)}

    def model(**w):
        return dist.Normal(jnp.stack([jnp.asarray(w[v]) ** p for v, p in zip(names, k, strict=True)]).prod(0), 1.0)

    triple, signed = (
        Triple(dist.Normal(mean, 1.0), model, prior),
        [p % 2 == 1 and not b for p, b in zip(k, h, strict=True)],
    )
    if mean == 0:
        equations = lambda: _equations.monomial(names, k, h)  # noqa: E731
        return known(triple, crossing, optimum=dict.fromkeys(names, 0.0), equations=equations)
    if mean > 0 or any(signed):
        base = abs(mean) ** (1 / sum(k))
        optimum = dict.fromkeys(names, base)
        if mean < 0:
            optimum[names[signed.index(True)]] = -base
        smooth = LearningCoefficient(Fraction(1, 2), 1, "exact", "the zeros of K are a smooth hypersurface")
        return known(triple, smooth, optimum=optimum)
    twice = replace(crossing, rlct=2 * crossing.rlct, source="normal crossing of the monomial itself", certificate=None)
    return known(triple, twice, realizable=False, optimum=dict.fromkeys(names, 0.0))


@kept
def multinomial(*, probabilities: Sequence[float] = (0.2, 0.3, 0.5), concentration: Any = 1) -> Specimen:
    r"""One of $K$ categories with a Dirichlet prior; a truth with empty categories changes $\lambda$.

    $$p(x \mid p) = p_x, \qquad p \sim \mathrm{Dirichlet}(\varphi, \dots, \varphi), \qquad
    \lambda = \frac{r - 1}2 + (K - r)\varphi,\ m = 1$$

    where $r$ categories have positive probability $q_k$. Given that the others have the total probability $s$, $K$ is
    $-\log(1 - s)$ plus a regular function of $r - 1$ parameters, and $s < \epsilon$ has a volume of the order of
    $\epsilon^{(K - r)\varphi}$. The truth then lies on the boundary, where $\lambda$ may exceed $d/2$.

    **Arguments:** `probabilities`: of the truth, nonnegative with sum 1. `concentration`: $\varphi$.
    **Returns:** a `Specimen` with the parameter `p`, shape `(K,)`.
    **Raises:** `ValueError` if the probabilities are no distribution on two categories or more, or if `concentration`
    is not positive.
    **Source:** Watanabe (2018), section 2.2, for positive probabilities; else as derived here.

    >>> [str(multinomial(probabilities=q).coefficient.rlct) for q in ((0.2, 0.3, 0.5), (0.0, 0.3, 0.7))]
    ['1', '3/2']
    """
    q, phi = np.asarray(probabilities, dtype=np.float64), check_exponent("concentration", concentration)
    if q.ndim != 1 or q.size < 2 or not (q >= 0).all() or abs(q.sum() - 1) > 1e-9:
        raise ValueError(f"probabilities must be two or more nonnegative numbers with sum 1; got {probabilities!r}.")
    positive = int((q > 0).sum())
    prior = {"p": dist.Dirichlet(np.full(q.size, float(phi)))}
    triple = Triple(dist.Categorical(probs=q), lambda p: dist.CategoricalProbs(p), prior)
    equations = lambda: _equations.multinomial(q, phi)  # noqa: E731
    if positive == q.size:
        reason = "the Fisher information is that of free probabilities"
        return regular(triple, reason, optimum={"p": q}, equations=equations)
    rlct = Fraction(positive - 1, 2) + (q.size - positive) * phi
    source = "regular in the positive probabilities, linear in the others (slt.zoo.multinomial)"
    note = "the truth lies on the boundary: the Dirichlet exponent enters"
    pair = LearningCoefficient(rlct, 1, "exact", source)
    return known(triple, pair, note=note, optimum={"p": q}, equations=equations)


@kept
def autoregression(*, length: int = 4, truth: float = 0.5) -> Specimen:
    r"""Stationary autoregression of order one; an observation is a whole short series.

    $$x_t = a x_{t-1} + \epsilon_t, \quad \epsilon_t \sim N(0, 1), \quad x_1 \sim N\Big(0, \frac1{1 - a^2}\Big),
    \qquad \lambda = \frac12,\ m = 1$$

    The triple is about $n$ independent series of `length` values. One long series, whose values are not independent,
    is no triple, but its likelihood is there too, in time and memory of order `length`: `triple.model(a).log_prob(x)`.
    Given $x_1$, only the sum and the constant are left, with `length - 1` in it.

    $$\log p(x \mid a) = \frac12 \log(1 - a^2) - \frac{1 - a^2}{2} x_1^2 - \frac12 \sum_{t \ge 2} (x_t - a x_{t-1})^2
    - \frac{\mathrm{length}}{2} \log 2\pi$$

    **Arguments:** `length`: at least 2, so that the covariance of neighbours determines $a$ (one value alone does not
    know its sign). `truth`: the true $a$, in $(-1, 1)$.
    **Returns:** a `Specimen` with the parameter `a`, uniform on $(-1, 1)$; observations of shape `(n, length)`.
    **Raises:** `ValueError` if `length` is below 2 or `truth` not in $(-1, 1)$.
    **Source:** Watanabe (2018), chapter 4: $a/(1 - a^2)$ is strictly increasing, so the model is regular.

    >>> autoregression()
    Specimen(1 parameter: a; realizable; rlct=1/2, multiplicity=1, exact)
    """
    size = check_size("length", length, 2)
    if not -1 < truth < 1:
        raise ValueError(f"truth must lie strictly between -1 and 1, where the series is stationary; got {truth}.")
    series = lambda a: Autoregression(a, size)  # noqa: E731
    triple = Triple(series(truth), series, {"a": dist.Uniform(-1.0, 1.0)})
    why = "the covariances are functions of a, and that of neighbours has a positive derivative"
    equations = lambda: _equations.coordinates({"a": truth}, why)  # noqa: E731
    note = "independent short series; a single long one is no independent sample"
    return regular(
        triple, "the covariance of neighbours determines a", note=note, optimum={"a": truth}, equations=equations
    )


@kept
def eight_schools() -> Specimen:
    r"""The eight schools: known standard errors, a hierarchical prior, not centred.

    $$y_j \sim N(\theta_j, \sigma_j^2), \quad \theta_j = \mu + \tau z_j, \quad z_j \sim N(0, 1), \quad
    \mu \sim N(0, 5^2), \quad \tau \sim \mathrm{HalfCauchy}(5)$$

    The inputs are the numbers $0, \dots, 7$ of the schools, fixed; the truth from which data can be drawn has all
    $\theta_j = 8$. The real data are in `data`. $\lambda$ is left unknown: the number of observations cannot grow.

    **Returns:** a `Specimen` with the parameters `mu`, `tau` and `z`, shape `(8,)`.
    **Arguments:** none.
    **Source:** Rubin (1981), Journal of Educational Statistics 6, table 1, for the data; Gelman, Carlin, Stern, Dunson,
    Vehtari and Rubin (2013), section 5.5.

    >>> eight_schools()
    Specimen(10 parameters: mu, tau, z; conditional, realizable; rlct unknown)
    """
    schools = np.arange(8)
    error = lambda j: jnp.asarray(ERRORS)[jnp.asarray(j, dtype=int)]  # noqa: E731
    triple = Triple(
        lambda j: dist.Normal(8.0, error(j)),
        lambda j, mu, tau, z: dist.Normal(mu + tau * jnp.asarray(z)[jnp.asarray(j, dtype=int)], error(j)),
        {
            "mu": dist.Normal(0.0, 5.0),
            "tau": dist.HalfCauchy(5.0),
            "z": dist.Normal(0.0, 1.0).expand([8]).to_event(1),
        },
        schools,
    )
    optimum = {"mu": 8.0, "tau": 0.0, "z": np.zeros(8)}
    return unknown(triple, "eight observations, and no more", optimum=optimum, data=(schools, EFFECTS))
