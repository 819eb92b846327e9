r"""Reduced rank regression: the global pair of Aoyagi and Watanabe, and the pair at every factorization (floor 1).

The model is $y = BAx + \text{noise}$ with $A: H \times M$ (`hidden` by `inputs`), $B: N \times H$ (`outputs` by
`hidden`) and a true matrix $C$ of rank $r$, so that $K(A, B) \asymp \|BA - C\|^2$.

**The zero set.** Let $BA = C$, $a = \operatorname{rank} A$, $b = \operatorname{rank} B$. Changing bases of the three
spaces turns $(A, B)$ into a normal form that depends on $(a, b, r)$ alone: the hidden space splits into $r$ directions
that $A$ reaches and $B$ keeps, $a - r$ that $A$ reaches and $B$ kills, $b - r$ that $A$ misses and $B$ keeps, and
$h = H - a - b + r$ that $A$ misses and $B$ kills. So $a \le \min(M, H)$, $b \le \min(N, H)$, $r \le \min(a, b)$ and
$h \ge 0$, all such $(a, b)$ occur, and $\lambda$ and $m$ are functions of $(a, b, r)$, since a linear change of the
output multiplies $K$ by a factor between two positive constants.

**The pair at a point.** In the normal form let $P$ be the upper left $a \times a$ block of $A$, near $I$. Write
$A = \begin{pmatrix} I & 0 \\ R & I \end{pmatrix} \begin{pmatrix} P & 0 \\ 0 & S \end{pmatrix}
\begin{pmatrix} I & Q \\ 0 & I \end{pmatrix}$: $(P, Q, R, S)$ are coordinates of $A$. For fixed $A$ replace $B$ by
$(B_1, B_2) = B \begin{pmatrix} I & 0 \\ R & I \end{pmatrix} \begin{pmatrix} P & 0 \\ 0 & I \end{pmatrix}$, which is
linear and invertible. Then $(BA - C) \begin{pmatrix} I & -Q \\ 0 & I \end{pmatrix} = (B_1 - C_1,\ B_2 S + C_1 Q)$,
where $C = (C_1, 0)$ and $C_1$ has the rows $(I_r, 0)$ and zeros. The left block gives $Na$ coordinates that vanish
($B_1 - C_1$), the first $r$ rows of the right block $r(M - a)$ more ($Q$ solves for them). What remains is the
product of the other $N - r$ rows of $B_2$ with $S$: reduced rank regression of sizes $(M - a, H - a, N - r)$ with truth
zero, at a point where $S = 0$ and the left factor has rank $b - r$. The same step on the left factor takes
$(M - a)(b - r)$ coordinates and leaves sizes $(M - a, h, N - b)$ at the origin. A coordinate that vanishes adds $1/2$
to $\lambda$ and nothing to $m - 1$, and so

$$\lambda(a, b) = \tfrac12 (Na + Mb - ab) + \lambda_0(M - a, h, N - b), \qquad m(a, b) = m_0(M - a, h, N - b),$$

with $(\lambda_0, m_0)$ the pair at the origin for truth zero.

**The origin.** $\|BA\|^2$ is homogeneous in $A$ and in $B$, so every point of $BA = 0$ can be moved next to the origin
without a change of its pair, and $(\lambda_0, m_0)$ is the global pair of Aoyagi and Watanabe at $r = 0$. In one
paragraph: with $p = \min(M, H)$ and the singular values $s_1 > \dots > s_p$ of $A$, whose density is
$\prod s_i^{|M-H|} \prod_{i<j} (s_i^2 - s_j^2)$, the volume of $B$ with $\|BA\| < \epsilon$ is of the order of
$\prod_i \min(1, \epsilon/s_i)^N$. Put $s_i = \epsilon^{x_i}$; where neighbouring values differ by a factor 2, which is
enough for the order, the integrand is $\epsilon$ to the power
$\sum_i (|M - H| + 1 + 2(p - i)) x_i + N (1 - x_i)_+$ on $0 \le x_1 \le \dots \le x_p$, a linear program on a simplex
with the vertices $x = (0, \dots, 0, 1, \dots, 1)$, $k$ ones. Hence
$2\lambda_0 = \min_k \{k(|M - H| + k) + N(p - k)\}$, and $m_0$ is the number of minimizers. Carrying out the minimum
gives the four cases of the theorem.
"""

from fractions import Fraction
from typing import NamedTuple

from slt.rlct._record import LearningCoefficient
from slt.rlct._sizes import check_at_most, check_size

SOURCE = "Aoyagi and Watanabe (2005), Neural Networks 18, 924-933"


class Stratum(NamedTuple):
    r"""Certificate of reduced rank regression at a point: what vanishes there, and the singular product that is left.

    $$2\lambda = \text{regular} + 2\lambda_0(M - a,\ H - a - b + r,\ N - b)$$

    **Arguments:** `regular`: the number $Na + Mb - ab$ of coordinates that vanish. `product`: the sizes (inputs,
    hidden, outputs) of the product of two matrices at the origin that is left.
    **Source:** the module's derivation.

    >>> reduced_rank(3, 2, 3, 1, at=(1, 1)).certificate
    Stratum(regular=5, product=(2, 1, 2))
    """

    regular: int
    product: tuple[int, int, int]


def _theorem(m: int, h: int, n: int, r: int) -> tuple[Fraction, int]:
    """The four cases of the theorem, for sizes that may be zero."""
    if m + h < n + r:
        return Fraction(h * m - h * r + n * r, 2), 1
    if n + h < m + r:
        return Fraction(h * n - h * r + m * r, 2), 1
    if m + n < h + r:
        return Fraction(m * n, 2), 1
    odd = (m + h + n + r) % 2
    numerator = 2 * (h + r) * (m + n) + 2 * m * n - (h + r) ** 2 - m**2 - n**2 + odd
    return Fraction(numerator, 8), 1 + odd


def _check(inputs: int, hidden: int, outputs: int, rank: int) -> tuple[int, int, int, int]:
    sizes = check_size("inputs", inputs), check_size("hidden", hidden), check_size("outputs", outputs)
    r = check_size("rank", rank, 0)
    reason = "the smallest of inputs, hidden and outputs, for the truth to lie in the model"
    check_at_most("rank", r, min(sizes), reason)
    return *sizes, r


def reduced_rank(
    inputs: int, hidden: int, outputs: int, rank: int, *, at: tuple[int, int] | None = None
) -> LearningCoefficient:
    r"""Learning coefficient of reduced rank regression $y = BAx + \text{noise}$, globally or at a factorization.

    $$K(A, B) \asymp \|BA - C\|^2, \quad \lambda = \tfrac12 \Big[ r(M + N - r) +
    \min_{0 \le k \le p} \{k(|M - H| + k) + (N - r)(p - k)\} \Big], \quad p = \min(M, H) - r$$

    and $m$ is the number of minimizing $k$. At a point with $\operatorname{rank} A = a$, $\operatorname{rank} B = b$:

    $$\lambda(a, b) = \tfrac12 (Na + Mb - ab) + \lambda_0(M - a,\ H - a - b + r,\ N - b),$$

    where $\lambda_0$ and its $m$ are the global values for truth zero; the docstring of `slt.rlct._reduced_rank` has
    the proof.

    **Arguments:** `inputs` $M$, `hidden` $H$, `outputs` $N$, `rank` $r$ of the true matrix $C$. `at`: the ranks
    $(a, b)$ of $A$ and $B$ at a point with $BA = C$, or `None` for the smallest $\lambda$ of all of them, which is the
    one that the Bayesian posterior sees (prior positive everywhere on $BA = C$).
    **Returns:** `LearningCoefficient`, exact, with $\lambda$ and $m$; the certificate of a point is its `Stratum`.
    **Raises:** `ValueError` if a size is no positive integer, if `rank` exceeds a size (the truth is then not in the
    model), or if no factorization has the ranks `at`.
    **Source:** Aoyagi and Watanabe (2005) for the global pair; the pair at a point is derived in the module.

    >>> reduced_rank(2, 2, 2, 0).rlct, reduced_rank(2, 2, 2, 0, at=(2, 0)).rlct
    (Fraction(3, 2), Fraction(2, 1))
    """
    m, h, n, r = _check(inputs, hidden, outputs, rank)
    if at is None:
        rlct, multiplicity = _theorem(m, h, n, r)
        return LearningCoefficient(rlct, multiplicity, "exact", SOURCE)
    a, b = _check_ranks(at, m, h, n, r)
    regular, product = n * a + m * b - a * b, (m - a, h - a - b + r, n - b)
    rlct, multiplicity = _theorem(*product, 0) if min(product) else (Fraction(0), 1)
    source = f"at rank A = {a}, rank B = {b}: {regular} regular directions and a product at the origin; {SOURCE}"
    certificate = Stratum(regular, product)
    return LearningCoefficient(Fraction(regular, 2) + rlct, multiplicity, "exact", source, certificate)


def _check_ranks(at: tuple[int, int], m: int, h: int, n: int, r: int) -> tuple[int, int]:
    if not isinstance(at, tuple | list) or len(at) != 2:
        raise ValueError(f"at must be the pair (rank A, rank B); got {at!r}.")
    a, b = check_size("rank A", at[0], r), check_size("rank B", at[1], r)
    check_at_most("rank A", a, min(m, h), "the smaller of inputs and hidden")
    check_at_most("rank B", b, min(n, h), "the smaller of outputs and hidden")
    reason = "because the product has rank at least rank A + rank B - hidden"
    check_at_most("rank A + rank B", a + b, h + r, reason)
    return a, b


def reduced_rank_strata(
    inputs: int, hidden: int, outputs: int, rank: int
) -> dict[tuple[int, int], LearningCoefficient]:
    r"""All pairs of ranks $(a, b)$ that factorizations $BA = C$ have, each with its local learning coefficient.

    $$r \le a \le \min(M, H), \qquad r \le b \le \min(N, H), \qquad a + b \le H + r$$

    **Arguments:** `inputs`, `hidden`, `outputs`, `rank`: as in `reduced_rank`.
    **Returns:** a dictionary from $(a, b)$ to the exact `LearningCoefficient` there. The smallest $\lambda$, with the
    largest $m$ among the points that attain it, is the global pair; the point $(r, r)$ always has it.
    **Raises:** `ValueError` as in `reduced_rank`.
    **Source:** the module's derivation.

    >>> {at: str(found.rlct) for at, found in reduced_rank_strata(2, 2, 2, 1).items()}
    {(1, 1): '2', (1, 2): '2', (2, 1): '2'}
    """
    m, h, n, r = _check(inputs, hidden, outputs, rank)
    pairs = ((a, b) for a in range(r, min(m, h) + 1) for b in range(r, min(n, h, h + r - a) + 1))
    return {at: reduced_rank(m, h, n, r, at=at) for at in pairs}
