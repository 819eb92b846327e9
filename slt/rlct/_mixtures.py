r"""Mixtures whose weights lie on the simplex (floor 1).

**Upper bound, for every smooth component.** Let the truth have $r$ components. Match each of them with one component
of the model and let the other $H - r$ be surplus, of weight $a_h$ at the distance $|u_h|$ from a matched one. With the
total weight and the first moment of each cluster as coordinates (they replace the weight and the location of the
matched component, and $rd + r - 1$ of them vanish), the rest of the model minus the truth is of the order of $\sum_h
a_h |u_h|^2$. The set where this is below $\epsilon$ has a volume of the order of $\prod_h \int 1\{a |u|^2 < \epsilon\}
a^{\varphi - 1} da\,du$, which is $\epsilon^{\min(\varphi, d/2)}$ for each $h$, with a factor $-\log \epsilon$ for a
tie.

**Exact** if the moments of degree up to $2r$ of the mixing distribution are linear functions of the mixture (normal
and Poisson: of every degree; multinomial with $N$ trials: up to $N$). $g(u) = \prod_i |u - u^*_i|^2$ has degree $2r$,
is not negative and vanishes at the true locations only, so $\sum_h a_h g(u_h)$ is a linear function of model minus
truth, and no weight is negative: each $a_h |u_h - u^*|^2$ is small by itself. No cancellation between surplus
components can help, which is why the value for sign-free weights (`vandermonde`) is smaller.

**One trial.** The data see $s = \sum_h a_h \theta_h$ only, and $K \asymp |s - s_0|^2$. Given the weights, one of them
is at least $1/H$, so $s$ has a bounded density, positive at an inner point $s_0$: $(d/2, 1)$, exactly."""

from fractions import Fraction

from slt.rlct._record import LearningCoefficient
from slt.rlct._sizes import check_at_most, check_exponent, check_size

ONE_TRIAL = "K depends on the mean probabilities alone (slt.rlct._mixtures)"
SOURCE = "second moments of nonnegative weights (slt.rlct._mixtures); compare Sato and Watanabe (2019)"


def _surplus(components: int, true: int, dimension: int, phi: Fraction) -> tuple[Fraction, int]:
    """The value and the multiplicity for `components - true` surplus components."""
    surplus, half = components - true, Fraction(dimension, 2)
    rlct = Fraction(true * dimension + true - 1, 2) + surplus * min(phi, half) / 2
    return rlct, surplus + 1 if phi == half else 1


def _check(components: int, true_components: int, concentration: Fraction | float) -> tuple[int, int, Fraction]:
    h, r = check_size("components", components), check_size("true_components", true_components)
    check_at_most("true_components", r, h, "the number of components, for the truth to lie in the model")
    return h, r, check_exponent("concentration", concentration)


def mixture(
    components: int,
    true_components: int,
    *,
    dimension: int = 1,
    concentration: Fraction | float = 1,
    strongly_identifiable: bool = True,
) -> LearningCoefficient:
    r"""Learning coefficient of a mixture of normal distributions of known covariance, or of Poisson distributions.

    $$\lambda = \tfrac12 \big[ r d + (r - 1) + (H - r) \min(\varphi, d/2) \big], \qquad
    m = \begin{cases} H - r + 1 & \varphi = d/2 \\ 1 & \text{otherwise} \end{cases}$$

    for $p(x \mid w) = \sum_{h=1}^H a_h p(x \mid u_h)$, $a$ on the simplex with the Dirichlet$(\varphi, \dots, \varphi)$
    prior, $u_h \in \mathbb{R}^d$ with a positive bounded prior.

    **Arguments:** `components` $H$. `true_components`: $r$, with positive weights and different locations that are
    interior (a Poisson rate is positive). `dimension`: $d$ of the location, 1 for Poisson. `concentration`: $\varphi$.
    `strongly_identifiable`: whether the moments of degree up to $2r$ of the mixing distribution are linear functions of
    the mixture, as for the models above. Use `False` for other smooth components, such as normal distributions whose
    means and variances are both fitted ($d = 2$).
    **Returns:** `LearningCoefficient`, exact, or an upper bound without $m$ where not strongly identifiable.
    **Raises:** `ValueError` if a size is no positive integer, if `true_components` exceeds `components`, or if
    `concentration` is not positive.
    **Source:** the module's derivation, $(3r + H - 2)/4$ for $d = \varphi = 1$; compare Sato and Watanabe (2019), arXiv
    1912.13289, on Poisson mixtures.

    >>> mixture(3, 1).rlct, mixture(3, 1, dimension=2).multiplicity
    (Fraction(1, 1), 3)
    """
    h, r, phi = _check(components, true_components, concentration)
    rlct, multiplicity = _surplus(h, r, check_size("dimension", dimension), phi)
    if strongly_identifiable:
        return LearningCoefficient(rlct, multiplicity, "exact", SOURCE)
    return LearningCoefficient(rlct, None, "upper bound", SOURCE)


def multinomial_mixture(
    components: int, true_components: int, *, trials: int, categories: int = 2, concentration: Fraction | float = 1
) -> LearningCoefficient:
    r"""Learning coefficient of a mixture of multinomial (by default binomial) distributions of $N$ trials.

    $$\lambda = \tfrac12 \big[ r d + (r - 1) + (H - r) \min(\varphi, d/2) \big] \quad \text{if } N \ge 2r, \qquad
    d = \text{categories} - 1,$$

    with $m$ as in `mixture`; $(d/2, 1)$ if $N = 1$. With $1 < N < 2r$ the $N$ moments of the mixing distribution that
    the data see do not separate the components, and the value is an upper bound.

    **Arguments:** `components`, `true_components`, `concentration`: as in `mixture`; the true probabilities are
    positive. `trials`: $N$. `categories`: 2 for the binomial distribution.
    **Returns:** `LearningCoefficient`, exact for $N \ge 2r$ and $N = 1$, an upper bound without $m$ otherwise.
    **Raises:** `ValueError` as in `mixture`.
    **Source:** the module's derivation.

    >>> multinomial_mixture(2, 1, trials=2).rlct, multinomial_mixture(3, 2, trials=3).status
    (Fraction(3, 4), 'upper bound')
    """
    h, r, phi = _check(components, true_components, concentration)
    dimension = check_size("categories", categories, 2) - 1
    rlct, multiplicity = _surplus(h, r, dimension, phi)
    if check_size("trials", trials) == 1:
        return LearningCoefficient(Fraction(dimension, 2), 1, "exact", ONE_TRIAL)
    if trials >= 2 * r:
        return LearningCoefficient(rlct, multiplicity, "exact", SOURCE)
    return LearningCoefficient(rlct, None, "upper bound", f"{SOURCE}; exact from {2 * r} trials on")
