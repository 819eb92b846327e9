r"""Factor analysis with a diagonal noise covariance (floor 1).

$\Sigma = D + \Lambda\Lambda^T$, $\Lambda: p \times k$, the truth $\Sigma_0 = D_0 + \Lambda_0\Lambda_0^T$ with a generic
$\Lambda_0$ of $l$ columns. At $\Lambda = (\Lambda_0, 0)$ rotate the columns so that the last $k - l$ of them, $G$, have
zeros in the first $l$ rows. The first $l$ columns and $D$ give $p + pl - l(l-1)/2$ coordinates that vanish, and what
remains is $P^T G G^T P$ modulo the span of the $p_i p_i^T$, where $P$ is a basis of the complement of $\Lambda_0$ with
rows $p_i$: quadratic in the $(p - l)(k - l)$ entries of $G$, up to terms of order four. One polar blow-up of $G$ gives
the candidate $\frac12(p + pl - \frac{l(l-1)}2) + \frac14(p - l)(k - l)$.

Other zeros on the exceptional sphere, or elsewhere, move weight from $D_i$ to a column $\sqrt{c_i} e_i$ for each $i$
in a set of $j \le \min(k, p) - l$ variables. There $j(p - l) - j(j+1)/2$ coordinates more vanish and the same problem
is left with $p - j$ variables and $k - j$ factors: its candidate is larger by $\frac j4(p - k - 1)$. Each candidate is
an **upper bound**; where its coordinates outnumber the covariances, the derivative is onto and $p(p+1)/4$ takes its
place. For $p > k + 1$ the first candidate is the smallest and $m = 1$; for $p = k + 1$ and $l = 0$ all tie and the
nested blow-ups give $m = k + 1$; for $p \le k$ and $l = 0$ the covariance is free and regular.

The value is **exact** where there are no further zeros, on the exceptional spheres or elsewhere. Those on a sphere
have $\sum_{i \in J} c_i p_i p_i^T$ of rank at most $k - l$; elsewhere $\Lambda\Lambda^T = \Lambda_0\Lambda_0^T +
\sum_{i \in J} c_i e_i e_i^T$ has rank at most $k$, and then $|J| \le k + l$.

- $l = 0$: the rows of $\Lambda$ are orthogonal, and those that are not zero form $J$.
- $p \ge k + 2l$: any $p - l$ of the $p_i$ are linearly independent. On a sphere $|J| > p - l$ would make the rank at
  least $2(p - l) - |J| \ge p - 2l > k - l$; elsewhere $|J| \le p - l$. So the $c_i$ are positive, the ranks are $|J|$
  and $l + |J|$, and $|J| \le k - l$ as above. The third order and beyond change neither the zeros nor the coordinates.
- $k = l$: by Sard's theorem a generic truth has only true parameters where the derivative has the rank of the model's
  dimension, $\min\{p + pl - l(l-1)/2, p(p+1)/2\}$ (Drton, Sturmfels and Sullivant, 2007), and $m = 1$.
"""

from fractions import Fraction

from slt.rlct._record import LearningCoefficient
from slt.rlct._sizes import check_at_most, check_size

SOURCE = "nested polar blow-ups (slt.rlct._factors); bound of Drton, Gross, Kosta, Leykin, Sullivant, Windisch (2025)"


def factor_analysis(variables: int, factors: int, true_factors: int) -> LearningCoefficient:
    r"""Learning coefficient of factor analysis at a generic truth with fewer factors.

    $$\Sigma = D + \Lambda\Lambda^T, \qquad \lambda = \tfrac14 \big[(k + 2)p + l(p - k + 1)\big] \quad
    (p > k + 1, \text{ or } p = k + 1 \text{ and } l = 0)$$

    with $m = 1$ for $p > k + 1$ and $m = k + 1$ for $p = k + 1$; means are known or fitted apart ($p/2$ more). For
    $k = l$ the model is regular, with $2\lambda = \min\{p + pk - k(k-1)/2,\ p(p+1)/2\}$; for $l = 0$ and $k \ge p$ the
    covariance is free and $\lambda = p(p+1)/4$; $m = 1$ in both.

    **Arguments:** `variables` $p$, `factors` $k$, `true_factors` $l$: the truth is generic among the models with $l$
    factors. (With few nonzero covariances it is not: one factor and one nonzero covariance have
    $\lambda = (2p - 1)/2$.) The prior is positive.
    **Returns:** `LearningCoefficient`, exact for $l = 0$, $p \ge k + 2l$ and $k = l$; otherwise an upper bound without
    $m$.
    **Raises:** `ValueError` if a size is no integer or negative, if `true_factors` exceeds `factors`, or if there are
    as many true factors as variables.
    **Source:** the module's derivation. Drton, Gross, Kosta, Leykin, Sullivant and Windisch (2025), arXiv 2511.15419:
    the formula as an upper bound, exact for diagonal and generic one-factor truths; Drton and Plummer (2017), JRSS B
    79, table 2: its values for $p = 6$, $k \le 3$.

    >>> [str(factor_analysis(6, 2, l).rlct) for l in (0, 1, 2)]
    ['6', '29/4', '17/2']
    """
    p = check_size("variables", variables)
    k, l = check_size("factors", factors, 0), check_size("true_factors", true_factors, 0)  # noqa: E741
    check_at_most("true_factors", l, k, "the number of factors, for the truth to lie in the model")
    check_at_most("true_factors", l, p - 1, "fewer than the variables, for a covariance that is not free")
    if l == 0 and k >= p:
        return LearningCoefficient(Fraction(p * (p + 1), 4), 1, "exact", "the covariance is free: a regular model")
    if l in (0, k) or p >= k + 2 * l:
        multiplicity = k + 1 if l == 0 and p == k + 1 else 1
        return LearningCoefficient(_candidate(p, k, l, 0), multiplicity, "exact", SOURCE)
    bound = min(_candidate(p, k, l, j) for j in range(min(k, p) - l + 1))
    return LearningCoefficient(bound, None, "upper bound", SOURCE)


def _candidate(p: int, k: int, l: int, j: int) -> Fraction:  # noqa: E741
    """Value at a point with j columns of one entry beside the true ones."""
    regular = p + p * l - l * (l - 1) // 2 + j * (p - l) - j * (j + 1) // 2
    if regular >= p * (p + 1) // 2:
        return Fraction(p * (p + 1), 4)
    return Fraction(regular, 2) + Fraction((p - l - j) * (k - l - j), 4)
