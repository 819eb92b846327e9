"""Mixtures of normal, Poisson and binomial distributions, naive Bayes and latent classes (floor 4).

The prior of the weights is a Dirichlet distribution; its exponent enters the coefficient. A truth with more components
than the model is not realizable, and its coefficient unknown.
"""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import logsumexp

from slt import rlct
from slt.rlct._sizes import check_exponent, check_size
from slt.triple import Triple
from slt.zoo import _equations
from slt.zoo._equations import mixture as location_mixture
from slt.zoo._kept import kept
from slt.zoo._specimen import Specimen, known, regular, unknown

TOO_FEW = "the truth has more components than the model"


def _mixture(weights, components):
    return dist.MixtureSameFamily(dist.Categorical(probs=weights), components)


def _specimen(mixed, name, prior, true, components, concentration, coefficient, most=2) -> Specimen:
    """The mixture `mixed(weights, locations)`; `true`: the locations of the truth, with weights as 1 : 2 : ... : r.

    `most`: the highest moment of the components that K determines, as far as it matters; 0 if it is not known.
    """
    h, r, phi = check_size("components", components), len(true), float(check_exponent("concentration", concentration))
    weights = np.arange(1.0, r + 1) / np.arange(1.0, r + 1).sum()
    priors = {"weights": dist.Dirichlet(np.full(h, phi)), name: prior}
    triple = Triple(mixed(weights, true), lambda weights, **w: mixed(weights, w[name]), priors)
    if r > h:
        return unknown(triple, TOO_FEW, realizable=False)
    copies = h - r + 1  # the last component of the truth, shared among the surplus
    shared = np.concatenate([weights[:-1], np.full(copies, weights[-1] / copies)])
    optimum = {"weights": shared, name: np.concatenate([true[:-1], np.repeat(true[-1:], copies, axis=0)])}
    equations = (lambda: location_mixture(name, true, h, concentration, most)) if most else None
    return known(triple, coefficient(), note=f"Dirichlet exponent {phi:g}", optimum=optimum, equations=equations)


@kept
def normal_mixture(
    *, components: int = 2, true_components: int = 1, dimension: int = 1, concentration: Any = 1
) -> Specimen:
    r"""Mixture of normal distributions with unit covariance.

    $$p(x \mid a, u) = \sum_{h=1}^H a_h N(x \mid u_h, I), \qquad a \sim \mathrm{Dirichlet}(\varphi, \dots, \varphi)$$

    **Arguments:** `components` $H$. `true_components`: the truth has $r$ components, at $0, 3, 6, \dots$ in every
    coordinate. `dimension` of $x$. `concentration`: $\varphi$.
    **Returns:** a `Specimen` with the parameters `weights` `(H,)` and `means` `(H,)`, or `(H, dimension)` if that is
    above 1; the coefficient is that of `slt.rlct.mixture`, unknown for $r > H$.
    **Raises:** `ValueError` if a size is no positive integer or `concentration` not positive.
    **Source:** `slt.rlct.mixture`.

    >>> normal_mixture(components=3).coefficient.rlct, normal_mixture(true_components=3).coefficient
    (Fraction(1, 1), None)
    """
    r, d = check_size("true_components", true_components), check_size("dimension", dimension)
    h = check_size("components", components)
    spots = 3.0 * np.arange(r)
    true = spots if d == 1 else np.tile(spots[:, None], (1, d))
    shape = [h] if d == 1 else [h, d]

    def mixed(weights, means):
        return _mixture(weights, dist.Normal(means, 1.0).to_event(int(d > 1)))

    prior = dist.Normal(0.0, 3.0).expand(shape).to_event(len(shape))
    pair = lambda: rlct.mixture(h, r, dimension=d, concentration=concentration)  # noqa: E731
    return _specimen(mixed, "means", prior, true, h, concentration, pair)


@kept
def poisson_mixture(*, components: int = 2, true_components: int = 1, concentration: Any = 1) -> Specimen:
    r"""Mixture of Poisson distributions.

    $$p(x \mid a, \theta) = \sum_{h=1}^H a_h\, \mathrm{Poisson}(x \mid \theta_h), \qquad
    a \sim \mathrm{Dirichlet}(\varphi, \dots, \varphi)$$

    **Arguments:** `components` $H$. `true_components`: the truth has $r$ rates $2, 5, 8, \dots$ `concentration`:
    $\varphi$.
    **Returns:** a `Specimen` with the parameters `weights` and `rates`, both `(H,)`; the coefficient is that of
    `slt.rlct.mixture`, unknown for $r > H$.
    **Raises:** `ValueError` if a size is no positive integer or `concentration` not positive.
    **Source:** `slt.rlct.mixture`; compare Sato and Watanabe (2019), arXiv 1912.13289.

    >>> poisson_mixture(components=2, true_components=2).coefficient.rlct
    Fraction(3, 2)
    """
    h, r = check_size("components", components), check_size("true_components", true_components)
    prior = dist.Exponential(0.2).expand([h]).to_event(1)
    pair = lambda: rlct.mixture(h, r, concentration=concentration)  # noqa: E731
    mixed = lambda weights, rates: _mixture(weights, dist.Poisson(rates))  # noqa: E731
    return _specimen(mixed, "rates", prior, 3.0 * np.arange(r) + 2.0, h, concentration, pair)


@kept
def binomial_mixture(
    *, components: int = 2, true_components: int = 1, trials: int = 4, concentration: Any = 1
) -> Specimen:
    r"""Mixture of binomial distributions of $N$ trials.

    $$p(x \mid a, \theta) = \sum_{h=1}^H a_h \binom Nx \theta_h^x (1 - \theta_h)^{N - x}, \qquad
    a \sim \mathrm{Dirichlet}(\varphi, \dots, \varphi)$$

    **Arguments:** `components` $H$. `true_components`: the truth has the $r$ probabilities $i/(r + 1)$. `trials` $N$.
    `concentration`: $\varphi$.
    **Returns:** a `Specimen` with the parameters `weights` and `probabilities`, both `(H,)`; the coefficient is that of
    `slt.rlct.multinomial_mixture` (an upper bound for $1 < N < 2r$), unknown for $r > H$.
    **Raises:** `ValueError` if a size is no positive integer or `concentration` not positive.
    **Source:** `slt.rlct.multinomial_mixture`.

    >>> binomial_mixture(trials=1).coefficient.rlct  # one trial sees the mean only
    Fraction(1, 2)
    """
    h, r = check_size("components", components), check_size("true_components", true_components)
    n = check_size("trials", trials)
    prior = dist.Uniform(0.0, 1.0).expand([h]).to_event(1)
    pair = lambda: rlct.multinomial_mixture(h, r, trials=n, concentration=concentration)  # noqa: E731
    counts = np.arange(n + 1)

    def mixed(weights, probabilities):  # NumPyro's mixtures refuse the binomial, whose support is a parameter
        log_pmf = dist.Binomial(n, probs=jnp.asarray(probabilities)[:, None]).log_prob(counts)
        return dist.Categorical(logits=logsumexp(log_pmf + jnp.log(weights)[:, None], axis=0))

    most = 2 if n >= 2 * r else int(r == 1)  # more functions are independent than the trials allow for
    return _specimen(mixed, "probabilities", prior, np.arange(1, r + 1) / (r + 1), h, concentration, pair, most)


@kept
def two_parameter_mixture(*, a: float = 0.0, b: float = 0.0) -> Specimen:
    r"""A standard normal distribution and a second one, of unknown weight and location.

    $$p(x \mid a, b) = (1 - a) N(x \mid 0, 1) + a N(x \mid b, 1), \qquad
    (\lambda, m) = \begin{cases} (\frac12, 2) & ab = 0 \\ (1, 1) & ab \ne 0 \end{cases}$$

    **Arguments:** `a`, `b`: the truth, in $[0, 1]$ and $(-3, 3)$; for $ab = 0$ it is $N(0, 1)$, and $K \asymp a^2 b^2$.
    **Returns:** a `Specimen` with the parameters `a`, uniform on $[0, 1]$, and `b`, uniform on $[-3, 3]$.
    **Raises:** `ValueError` if `a` or `b` is out of its range.
    **Source:** Watanabe (2018), section 1.5, for the example; $K \asymp a^2 b^2$ because $p/q - 1 = a (e^{bx - b^2/2} -
    1)$; otherwise the two parameters are determined by the truth and the scores independent.

    >>> two_parameter_mixture()
    Specimen(2 parameters: a, b; realizable; rlct=1/2, multiplicity=2, exact)
    """
    if not (0 <= a <= 1 and -3 < b < 3):
        raise ValueError(f"a must lie in [0, 1] and b in (-3, 3), where the prior is positive; got a={a}, b={b}.")

    def model(a, b):
        return _mixture(jnp.stack([1 - a, a]), dist.Normal(jnp.stack([0.0 * b, b]), 1.0))

    prior = {"a": dist.Uniform(0.0, 1.0), "b": dist.Uniform(-3.0, 3.0)}
    triple = Triple(model(a, b) if a * b else dist.Normal(0.0, 1.0), model, prior)
    equations = lambda: _equations.two_parameter_mixture(a, b)  # noqa: E731
    if a * b:
        return regular(triple, "the truth determines a and b", optimum={"a": a, "b": b}, equations=equations)
    return known(triple, rlct.normal_crossing([1, 1], [0, 0]), optimum={"a": a, "b": b}, equations=equations)


@kept
def naive_bayes(*, features: int = 3, dependent: int = 0, concentration: Any = 1) -> Specimen:
    r"""Two hidden classes and binary features that are independent within a class.

    $$p(x \mid t, p) = (1 - t) \prod_i p_{0i}^{x_i} (1 - p_{0i})^{1 - x_i} +
    t \prod_i p_{1i}^{x_i} (1 - p_{1i})^{1 - x_i}$$

    **Arguments:** `features`: how many. `dependent`: how many of them depend on the class in the truth (not 1), with
    the probabilities 0.25 and 0.75; the others have 0.5. `concentration`: $\varphi$ of the Beta$(\varphi, \varphi)$
    prior of the class weight; the true weight is 0.4 where it matters.
    **Returns:** a `Specimen` with the parameters `weight` and `probabilities` `(2, features)`; observations are of
    shape `(n, features)`; the coefficient is that of `slt.rlct.naive_bayes`.
    **Raises:** `ValueError` as `slt.rlct.naive_bayes`.
    **Source:** `slt.rlct.naive_bayes`; Rusakov and Geiger (2005), JMLR 6, 1-35.

    >>> naive_bayes(features=4).coefficient.rlct
    Fraction(5, 2)
    """
    n = check_size("features", features)
    coefficient = rlct.naive_bayes([2] * n, dependent=dependent, concentration=concentration)
    apart = 0.25 * (np.arange(n) < dependent)
    optimum = {"weight": 0.4, "probabilities": 0.5 + np.stack([-apart, apart])}
    phi = float(check_exponent("concentration", concentration))

    def model(weight, probabilities):
        return _mixture(jnp.stack([1 - weight, weight]), dist.Bernoulli(probs=probabilities).to_event(1))

    prior = {"weight": dist.Beta(phi, phi), "probabilities": dist.Uniform(0.0, 1.0).expand([2, n]).to_event(2)}
    triple = Triple(model(jnp.asarray(0.4), optimum["probabilities"]), model, prior)
    equations = None if dependent else lambda: _equations.classes("weight", np.full(n, 0.5), 2, concentration)
    return known(triple, coefficient, note=f"Beta exponent {phi:g}", optimum=optimum, equations=equations)


@kept
def latent_class(*, features: int = 4, classes: int = 3, true_classes: int = 1, concentration: Any = 1) -> Specimen:
    r"""Any number of hidden classes and binary features that are independent within a class.

    $$p(x \mid a, p) = \sum_{h=1}^H a_h \prod_i p_{hi}^{x_i} (1 - p_{hi})^{1 - x_i}, \qquad
    a \sim \mathrm{Dirichlet}(\varphi, \dots, \varphi)$$

    **Arguments:** `features`: how many. `classes` $H$. `true_classes` $r$, whose probabilities are generic numbers.
    `concentration`: $\varphi$.
    **Returns:** a `Specimen` with the parameters `weights` `(H,)` and `probabilities` `(H, features)`; the coefficient
    is that of `slt.rlct.latent_class`, mostly an upper bound, unknown for $r > H$.
    **Raises:** `ValueError` if a size is no positive integer or `concentration` not positive.
    **Source:** `slt.rlct.latent_class`.

    >>> latent_class(classes=3, true_classes=2).coefficient.status
    'upper bound'
    """
    n, h, r = check_size("features", features), check_size("classes", classes), check_size("true_classes", true_classes)
    true = 0.5 + 0.4 * np.sin(np.arange(1.0, r * n + 1)).reshape(r, n)
    prior = dist.Uniform(0.0, 1.0).expand([h, n]).to_event(2)

    def mixed(weights, probabilities):
        return _mixture(weights, dist.Bernoulli(probs=probabilities).to_event(1))

    pair = lambda: rlct.latent_class([2] * n, h, r, concentration=concentration)  # noqa: E731
    found = _specimen(mixed, "probabilities", prior, true, h, concentration, pair, 0)
    equations = (lambda: _equations.classes("weights", true[0], h, concentration)) if r == 1 else None
    return replace(found, equations=equations)
