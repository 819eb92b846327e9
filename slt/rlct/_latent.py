r"""Naive Bayes and latent class models (floor 1).

Feature $i$ has $d_i + 1$ levels, $D = \sum_i d_i$. Two classes of weights $t, 1 - t$ whose distributions of feature
$i$ differ by $\delta_i \in \mathbb{R}^{d_i}$: use the means $\mu_i$, the $\delta_i$ and $t$ as coordinates (the change
has Jacobian 1). For a set $S$ of features $E \prod_{i \in S} (x_i - \mu_i) = t(1 - t)[(1 - t)^{|S|-1} - (-t)^{|S|-1}]
\prod_{i \in S} \delta_i$, so model minus truth generates the ideal of the $D$ means and of the numbers $t(1 -
t)\,\delta_i \delta_j - c_{ij}$, $i < j$, and of the third moments.

*No feature depends on the class* ($c = 0$): the ideal is $D$ coordinates and monomials, and its Newton polyhedron is
exact. At $t = 0$ with the prior $t^{\varphi - 1}$ the linear program has the vertices "$t$ small" ($\varphi/2$), "all
$\delta$ small alike" ($D/4$, three or more features) and "all $\delta$ but those of feature $i$ small" ($(D -
d_i)/2$). *Two features depend*: $t(1 - t)\delta_1\delta_2^T = c \ne 0$ takes $d_1 + d_2 - 1$ coordinates and then each
other $\delta_j = 0$: the true parameters are a surface and $2\lambda = 2D - 1$. *Three or more*: their second and
third moments determine $t$ and the $\delta_i$ up to a swap of the classes, the model is regular, $2\lambda = 2D + 1$.

*Two features, any number $H$ of classes.* The joint distribution is a matrix $\sum_h a_h p_h q_h^T$ of total 1. Let the
$a_h$ be free, $a_h = \alpha_h \beta_h$: the total is one coordinate more, and the columns $\alpha_h p_h$ and rows
$\beta_h q_h$ are a factorization of inner size $H$, of $d_1 + 1$ by $d_2 + 1$ levels. A positive matrix of rank $r \le
2$ has positive factors of that rank with any $H \ge r$ (`slt.rlct._nonnegative`), and so $\lambda \le
\lambda_{RRR}(d_1 + 1, H, d_2 + 1, r) - \frac12$.
"""

from collections.abc import Sequence
from fractions import Fraction

from slt.rlct._record import LearningCoefficient
from slt.rlct._reduced_rank import reduced_rank
from slt.rlct._sizes import check_at_most, check_exponent, check_size

SOURCE = "Newton polyhedron of t(1-t) delta_i delta_j (slt.rlct._latent); Rusakov and Geiger (2005), JMLR 6, 1-35"


def _dimensions(levels: Sequence[int]) -> list[int]:
    if isinstance(levels, str) or not hasattr(levels, "__len__") or len(levels) < 1:
        raise ValueError(
            f"levels must list the number of levels of each feature, for example [2, 2, 2]; got {levels!r}."
        )
    return [check_size(f"levels[{i}]", level, 2) - 1 for i, level in enumerate(levels)]


def _vertices(d: list[int], phi: Fraction) -> list[Fraction]:
    """Values at the vertices of the linear program of one surplus class."""
    if len(d) == 1:
        return [Fraction(0)]
    alike = [Fraction(sum(d), 4)] if len(d) > 2 else []
    return [phi / 2, *alike, *(Fraction(sum(d) - x, 2) for x in d)]


def naive_bayes(
    levels: Sequence[int], *, dependent: int = 0, concentration: Fraction | float = 1
) -> LearningCoefficient:
    r"""Learning coefficient of the naive Bayes model with two hidden classes.

    $$\lambda = \begin{cases} \frac D2 + \min\{\frac\varphi2, \frac D4, \min_i \frac{D - d_i}2\}
    & \text{no feature depends on the class} \\
    D - \frac12 & \text{two features do} \\ D + \frac12 & \text{three or more do} \end{cases}$$

    with $d_i + 1$ levels of feature $i$ and $D = \sum_i d_i$; $D/4$ counts for three or more features. In the first
    case $m$ is the number of terms that attain the minimum (for one feature $\lambda = D/2$, $m = 1$), in the others 1.

    **Arguments:** `levels`: the number of levels of each feature; `[2] * n` for $n$ binary features. `dependent`: how
    many features have different distributions in the two classes of the truth. `concentration`: $\varphi$ of the
    Beta$(\varphi, \varphi)$ prior of the class weight; the other priors are positive.
    **Returns:** `LearningCoefficient`, exact, for a truth whose probabilities are all positive.
    **Raises:** `ValueError` if a number of levels is below 2, if `dependent` is 1 (the features are then independent:
    0) or exceeds the number of features, or if `concentration` is not positive.
    **Source:** the module's derivation; Rusakov and Geiger (2005) for binary features and $\varphi = 1$.

    >>> naive_bayes([2, 2, 2, 2]).rlct, naive_bayes([2, 2]).multiplicity
    (Fraction(5, 2), 3)
    """
    d, phi = _dimensions(levels), check_exponent("concentration", concentration)
    k = check_size("dependent", dependent, 0)
    check_at_most("dependent", k, len(d), "the number of features")
    if k == 1:
        raise ValueError("dependent must be 0 or at least 2: one feature alone makes no dependence (use 0); got 1.")
    total = Fraction(sum(d))
    if k:
        half = Fraction(1, 2)
        return LearningCoefficient(total - half if k == 2 else total + half, 1, "exact", SOURCE)
    values = _vertices(d, phi)
    return LearningCoefficient(total / 2 + min(values), values.count(min(values)), "exact", SOURCE)


def latent_class(
    levels: Sequence[int], classes: int, true_classes: int, *, concentration: Fraction | float = 1
) -> LearningCoefficient:
    r"""Learning coefficient of a latent class model: an upper bound, exact for two classes of which one is true.

    $$\lambda \le \tfrac12 (rD + r - 1) + (H - r) \min\Big\{\frac\varphi2, \frac D4, \min_i \frac{D - d_i}2\Big\}$$

    where each surplus class has a small weight or lies near a true class; it is at most the bound
    $\frac12 \min\{rD + r - 1 + \varphi(H - r),\ HD + r - 1\}$ of Drton and Plummer. For two features and $r \le 2$
    also $\lambda \le \lambda_{RRR}(d_1 + 1, H, d_2 + 1, r) - \frac12$, and the smaller of the two is returned.

    **Arguments:** `levels`: the number of levels of each feature. `classes` $H$, `true_classes` $r$. `concentration`:
    $\varphi$ of the Dirichlet prior of the class weights; the other priors are positive.
    **Returns:** `LearningCoefficient`, an upper bound without $m$; exact for one feature, whose distribution is free
    ($D/2$), for one class, and for two classes of which the truth has one.
    **Raises:** `ValueError` as in `naive_bayes`, or if `true_classes` exceeds `classes`.
    **Source:** the derivations of this module and of `mixture`; Drton and Plummer (2017), JRSS B 79, section 5.

    >>> latent_class([2] * 8, 3, 2).rlct, latent_class([2] * 8, 3, 2).status
    (Fraction(9, 1), 'upper bound')
    """
    d, phi = _dimensions(levels), check_exponent("concentration", concentration)
    h, r = check_size("classes", classes), check_size("true_classes", true_classes)
    check_at_most("true_classes", r, h, "the number of classes, for the truth to lie in the model")
    if len(d) == 1 or h == 1:
        return LearningCoefficient(Fraction(sum(d), 2), 1, "exact", "one free distribution a feature: regular")
    if (h, r) == (2, 1):
        return naive_bayes(levels, concentration=concentration)
    rlct = Fraction(r * sum(d) + r - 1, 2) + (h - r) * min(_vertices(d, phi))
    if len(d) == 2 and r <= 2:
        rlct = min(rlct, reduced_rank(d[0] + 1, h, d[1] + 1, r).rlct - Fraction(1, 2))
    return LearningCoefficient(rlct, None, "upper bound", SOURCE)
