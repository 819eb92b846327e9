r"""Matrix factorizations with nonnegative or stochastic factors (floor 1).

Both restrict reduced rank regression to a region with boundary. A restriction makes volumes smaller, so
$\lambda \ge \lambda_{RRR}$ always, and there is equality, with the same $m$, where the region holds in its interior a
factorization whose two factors have the rank of the product: that is the most singular point of reduced rank
regression (`reduced_rank_strata`).

**Stochastic.** The columns of $A: M \times H$ and $B: H \times N$ are points of simplices. With the last column of $A$
as origin and $b_H = 1 - \sum_{h<H} b_h$, column $n$ of $AB$ is $a_H + A' b'_n$, where $A'$ has the columns $a_h -
a_H$. The last column of $AB$ takes $M - 1$ coordinates ($a_H$ solves for them); the differences of the columns to it
are $A'(b'_n - b'_N)$: reduced rank regression of sizes $N - 1$, $H - 1$, $M - 1$. An
interior factorization exists for $r \le 1$ (prolong a segment through the true columns inside the simplex), for
$r = M - 1$ (topics near the corners of the simplex) and for $r = N - 1$ (topics around the true columns).

**Nonnegative, truth zero.** $\sum_h a_{ih} b_{hj}$ is small only if each of its terms is, so $K \asymp \sum_h |a_h|^2
|b_h|^2$ with columns $a_h \in \mathbb{R}^M$, rows $b_h \in \mathbb{R}^N$: $\lambda = H \min(M, N)/2$, and $m = H + 1$
for $M = N$.

**Nonnegative, any truth with a factorization of inner size $H_0$.** Take it, at fixed scales of its $H_0$ columns: the
scales move along true parameters, so $H_0(M + N - 1)$ equations at most; the other $H - H_0$ columns and rows as for
truth zero. If both true factors are positive and of rank $H_0$, splitting a column in two makes interior factorizations
of that rank with any $H \ge H_0$, and the value is that of reduced rank regression.
"""

from fractions import Fraction

from slt.rlct._record import LearningCoefficient
from slt.rlct._reduced_rank import reduced_rank
from slt.rlct._sizes import check_at_most, check_size

STOCHASTIC = "Hayashi (2021), Neural Networks 137, 127-137, by subtraction of a column (slt.rlct._nonnegative)"
NONNEGATIVE = "slt.rlct._nonnegative; compare Hayashi and Watanabe (2017), Neurocomputing 266, 21-28"


def stochastic_matrix_factorization(
    vocabulary: int, topics: int, documents: int, rank: int, *, interior: bool = False
) -> LearningCoefficient:
    r"""Learning coefficient of stochastic matrix factorization, which is that of latent Dirichlet allocation.

    $$\lambda = \frac{M - 1}2 + \lambda_{RRR}(N - 1, H - 1, M - 1, r)$$

    with the multiplicity of reduced rank regression, for a true matrix of word probabilities ($M$ words by $N$
    documents, all positive) whose columns span an affine space of dimension $r$.

    **Arguments:** `vocabulary` $M$, `topics` $H$, `documents` $N$, `rank` $r$: the ordinary rank of the true matrix
    less one. `interior`: whether $H$ positive topics and positive topic weights, both of affine dimension $r$,
    reproduce the truth. It is always so for $r \le 1$, $r = M - 1$ and $r = N - 1$; otherwise it is a property of the
    true matrix.
    **Returns:** `LearningCoefficient`; exact for those $r$ and with `interior`; otherwise a lower bound without $m$.
    **Raises:** `ValueError` if a size is no positive integer or if `rank` exceeds one of $M - 1$, $H - 1$, $N - 1$.
    **Source:** Hayashi (2021); the reduction is proved in the module. The prior is positive and bounded (Dirichlet
    with exponents 1, for example).

    >>> stochastic_matrix_factorization(5, 2, 4, 0).rlct, stochastic_matrix_factorization(5, 3, 4, 1).rlct
    (Fraction(7, 2), Fraction(6, 1))
    """
    m, h, n = check_size("vocabulary", vocabulary), check_size("topics", topics), check_size("documents", documents)
    r = check_size("rank", rank, 0)
    check_at_most("rank", r, min(m, h, n) - 1, "one less than the smallest of vocabulary, topics and documents")
    rlct, multiplicity = Fraction(m - 1, 2), 1
    if min(m, h, n) > 1:
        found = reduced_rank(n - 1, h - 1, m - 1, r)
        rlct, multiplicity = rlct + found.rlct, found.multiplicity
    if interior or r <= 1 or r in (m - 1, n - 1):
        return LearningCoefficient(rlct, multiplicity, "exact", STOCHASTIC)
    return LearningCoefficient(rlct, None, "lower bound", f"{STOCHASTIC}; exact for an interior factorization")


def nonnegative_matrix_factorization(
    rows: int, inner: int, columns: int, true_inner: int, *, positive: bool = False
) -> LearningCoefficient:
    r"""Learning coefficient of nonnegative matrix factorization $X \approx AB$, with $A, B \ge 0$.

    $$\lambda \le \tfrac12 \big[(H - H_0)\min(M, N) + H_0(M + N - 1)\big]$$

    with equality for $H_0 = 0$, where $m = H + 1$ if $M = N$ and $1$ otherwise. If the true matrix is the product of
    positive factors of rank $H_0$, then $\lambda = \lambda_{RRR}(N, H, M, H_0)$ with its multiplicity.

    **Arguments:** `rows` $M$, `inner` $H$, `columns` $N$. `true_inner`: $H_0$, the nonnegative rank of the true matrix.
    `positive`: whether the true matrix has positive factors $M \times H_0$ and $H_0 \times N$, both of rank $H_0$.
    (A positive matrix of rank 1 or 2 has.)
    **Returns:** `LearningCoefficient`; exact for `true_inner` 0 and with `positive`, otherwise an upper bound without
    $m$.
    **Raises:** `ValueError` if a size is no positive integer or if `true_inner` exceeds one of the others.
    **Source:** the module's derivation, the prior being positive and bounded. Hayashi and Watanabe (2017) give, for
    their truths, the same value for $H_0 = 0$, the same for $H = H_0 = 1$ and $2$ as with `positive`, and the bound
    with $H_0(M + N - 2)$, plus one for odd $H_0$, in place of $H_0(M + N - 1)$.

    >>> nonnegative_matrix_factorization(3, 2, 4, 0).rlct, nonnegative_matrix_factorization(3, 2, 4, 2).status
    (Fraction(3, 1), 'upper bound')
    """
    m, h, n = check_size("rows", rows), check_size("inner", inner), check_size("columns", columns)
    h0 = check_size("true_inner", true_inner, 0)
    check_at_most("true_inner", h0, min(m, h, n), "the smallest of rows, inner and columns")
    rlct = Fraction((h - h0) * min(m, n) + h0 * (m + n - 1), 2)
    if h0 == 0:
        return LearningCoefficient(rlct, h + 1 if m == n else 1, "exact", NONNEGATIVE)
    if positive:
        found = reduced_rank(n, h, m, h0)
        return LearningCoefficient(found.rlct, found.multiplicity, "exact", f"{found.source}; {NONNEGATIVE}")
    return LearningCoefficient(rlct, None, "upper bound", NONNEGATIVE)
