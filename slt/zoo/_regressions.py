r"""Regular models: the normal distribution and regressions, realizable and not (floor 4).

Each has a unique minimizer of $L$ with a positive definite Hessian $J$, so $\lambda = d/2$ and $m = 1$ whether or not
the truth lies in the model. For regressions $L$ is strictly convex: $J = \mathbb{E}[v(x) z z^T]$ where $z$ holds the
powers of $x$ and $v(x) > 0$ is the variance of $y$ under the model, and no polynomial vanishes on the inputs. It grows
in every direction, because every value of $y$ of the model has positive probability under the truth.
"""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from slt.rlct._sizes import check_size
from slt.triple import Triple
from slt.zoo import _equations
from slt.zoo._kept import kept
from slt.zoo._specimen import Specimen, regular

CONVEX = "the loss is strictly convex"
FAMILY = "K is comparable to the mean square of the difference of the predictors, a sum of these times powers of x"


def _convex(triple: Triple, optimum: dict | None, realizable: bool) -> Specimen:
    equations = (lambda: _equations.coordinates(optimum, FAMILY)) if realizable and optimum else None
    return regular(triple, CONVEX, realizable=realizable, optimum=optimum, equations=equations)


@kept
def normal(*, realizable: bool = True) -> Specimen:
    r"""Normal distribution with unknown mean and standard deviation.

    $$p(x \mid \mu, \sigma) = N(x \mid \mu, \sigma^2), \qquad \lambda = 1,\ m = 1$$

    **Arguments:** `realizable`: the truth is $N(0, 1)$, or else Student's t of 10 degrees of freedom, of variance 5/4.
    **Returns:** a `Specimen` with the parameters `mu`, `sigma`.
    **Source:** Watanabe (2018), section 2.1; the optimum is the mean and the standard deviation of the truth.

    >>> normal()
    Specimen(2 parameters: mu, sigma; realizable; rlct=1, multiplicity=1, exact)
    """
    truth = dist.Normal(0.0, 1.0) if realizable else dist.StudentT(10.0, 0.0, 1.0)
    prior = {"mu": dist.Normal(0.0, 3.0), "sigma": dist.HalfNormal(3.0)}
    triple = Triple(truth, lambda mu, sigma: dist.Normal(mu, sigma), prior)
    optimum = {"mu": 0.0, "sigma": 1.0 if realizable else 1.25**0.5}
    equations = _equations.normal if realizable else None
    return regular(triple, "J = diag(1, 2) / sigma^2", realizable=realizable, optimum=optimum, equations=equations)


@kept
def linear_regression(*, realizable: bool = True) -> Specimen:
    r"""A straight line with noise of known variance, $x \sim N(0, 1)$.

    $$p(y \mid x, a, b) = N(y \mid ax + b, 1), \qquad \lambda = 1,\ m = 1$$

    **Arguments:** `realizable`: the true regression function is $x + \frac12$, or else $x + \frac12 x^2$.
    **Returns:** a `Specimen` with the parameters `a`, `b`, whose optimum is $(1, \frac12)$ in both cases.
    **Source:** Watanabe (2018), section 2.3.

    >>> linear_regression(realizable=False)
    Specimen(2 parameters: a, b; conditional, unrealizable; rlct=1, multiplicity=1, exact)
    """
    triple = Triple(
        lambda x: dist.Normal(x + 0.5 * (1.0 if realizable else x**2), 1.0),
        lambda x, a, b: dist.Normal(a * x + b, 1.0),
        {"a": dist.Normal(0.0, 3.0), "b": dist.Normal(0.0, 3.0)},
        dist.Normal(0.0, 1.0),
    )
    return _convex(triple, {"a": 1.0, "b": 0.5}, realizable)


@kept
def polynomial_regression(*, degree: int = 2, true_degree: int = 1) -> Specimen:
    r"""A polynomial with noise of known variance, $x$ uniform on $[-1, 1]$.

    $$p(y \mid x, w) = N\Big(y \,\Big|\, \sum_{k=0}^D w_k x^k, 1\Big), \qquad \lambda = \frac{D + 1}2,\ m = 1$$

    **Arguments:** `degree` $D$. `true_degree` $r$: the true function is $\sum_{k \le r} (-x)^k$; for $r > D$ it is not
    in the model. A surplus degree is no singularity: its coefficient is 0 and nothing else.
    **Returns:** a `Specimen` with the parameter `w`, shape `(degree + 1,)`; the optimum is the projection of the truth.
    **Raises:** `ValueError` if a degree is no integer or negative.
    **Source:** Watanabe (2018), section 2.3.

    >>> polynomial_regression(degree=3, true_degree=5).coefficient.rlct
    Fraction(2, 1)
    """
    d, r = check_size("degree", degree, 0), check_size("true_degree", true_degree, 0)
    true = (-1.0) ** np.arange(r + 1)
    sums = np.add.outer(np.arange(d + 1), np.arange(max(d, r) + 1))
    moments = np.where(sums % 2 == 0, 1 / (sums + 1.0), 0.0)  # E[x^(j+k)]
    optimum = np.linalg.solve(moments[:, : d + 1], moments[:, : r + 1] @ true)
    value = lambda w, x: jnp.asarray(w) @ x ** np.arange(len(w))  # noqa: E731
    triple = Triple(
        lambda x: dist.Normal(value(true, x), 1.0),
        lambda x, w: dist.Normal(value(w, x), 1.0),
        {"w": dist.Normal(0.0, 3.0).expand([d + 1]).to_event(1)},
        dist.Uniform(-1.0, 1.0),
    )
    return _convex(triple, {"w": optimum}, r <= d)


@kept
def logistic_regression(*, realizable: bool = True) -> Specimen:
    r"""Logistic regression on one input, $x \sim N(0, 1)$.

    $$p(y = 1 \mid x, a, b) = \frac1{1 + e^{-(ax + b)}}, \qquad \lambda = 1,\ m = 1$$

    **Arguments:** `realizable`: the true log-odds are $x - \frac12$, or else $x^2 - 1$.
    **Returns:** a `Specimen` with the parameters `a`, `b`.
    **Source:** Watanabe (2018), chapter 4, applied to a strictly convex loss.

    >>> logistic_regression()
    Specimen(2 parameters: a, b; conditional, realizable; rlct=1, multiplicity=1, exact)
    """
    triple = Triple(
        lambda x: dist.Bernoulli(logits=x - 0.5 if realizable else x**2 - 1.0),
        lambda x, a, b: dist.Bernoulli(logits=a * x + b),
        {"a": dist.Normal(0.0, 3.0), "b": dist.Normal(0.0, 3.0)},
        dist.Normal(0.0, 1.0),
    )
    return _convex(triple, {"a": 1.0, "b": -0.5} if realizable else None, realizable)


@kept
def poisson_regression(*, realizable: bool = True) -> Specimen:
    r"""Poisson regression on one input, $x$ uniform on $[-1, 1]$.

    $$p(y \mid x, a, b) = \mathrm{Poisson}(y \mid e^{ax + b}), \qquad \lambda = 1,\ m = 1$$

    **Arguments:** `realizable`: the true logarithm of the rate is $x + \frac12$, or else $x^2 + \frac12$.
    **Returns:** a `Specimen` with the parameters `a`, `b`.
    **Source:** Watanabe (2018), chapter 4, applied to a strictly convex loss.

    >>> poisson_regression(realizable=False).coefficient.rlct
    Fraction(1, 1)
    """
    triple = Triple(
        lambda x: dist.Poisson(jnp.exp((x if realizable else x**2) + 0.5)),
        lambda x, a, b: dist.Poisson(jnp.exp(a * x + b)),
        {"a": dist.Normal(0.0, 3.0), "b": dist.Normal(0.0, 3.0)},
        dist.Uniform(-1.0, 1.0),
    )
    return _convex(triple, {"a": 1.0, "b": 0.5} if realizable else None, realizable)
