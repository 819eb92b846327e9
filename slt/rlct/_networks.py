r"""Three-layer networks with one input: Vandermonde matrix type singularities (floor 1).

$f(x) = \sum_h a_h g(b_h x)$ with $a_h \in \mathbb{R}^M$ and $g(x) = \sum_{k \ge 0} g_k x^{1 + Qk}$, no $g_k$ zero, has
$K \asymp \sum_k \|\sum_h a_h b_h^{1+Qk} - c_k\|^2$, where $c$ belongs to the truth. tanh and arctan have $Q = 2$.

**Truth zero** (Aoyagi and Nagata, 2012). Fix $b$ and let $s_1 \ge s_2 \ge \dots$ be the singular values of the matrix
$(b_h^{1+Qk})_{k,h}$. The volume of the $a$ with $K < \epsilon^2$ is of the order of $\prod_j \min(1, \epsilon/s_j)^M =
\min_T \epsilon^{M(|T| - v(T))}$, where $T$ runs over the sets of units and $\epsilon^{v(T)}$ is the largest minor on
the columns $T$: $|\prod_{h \in T} b_h \prod_{h < i \in T} (b_h^Q - b_i^Q)|$ up to a factor, since the other minors are
this one times a polynomial. Let the $b_h$ and $0$ cluster as a tree, a node of $n$ units having the radius
$\epsilon^y$ and its parent $\epsilon^{y - \Delta}$. The volume of such $b$ has the exponent $n\Delta$ for a node that
holds $0$ and $(n - 1)\Delta$ for another one; the mean of $v(T)$ over all $T$ of $j$ units gains from a node
$\Delta\,(jn/H + Q \binom j2 \binom n2 / \binom H2)$ or $\Delta \binom j2 \binom n2 / \binom H2$. Mix the sizes $k$ and
$k + 1$ with weights $\theta, 1 - \theta$ such that the gain of a node with all $H$ units and $0$, times $M$, is its
cost $H\Delta$; this is possible just for the $k$ below. Then no node gains more than it costs, and the total exponent
is at least $M(k + 1 - \theta) = (H + MQk(k+1)/2)/(1 + Qk)$, which all $|b_h| \approx \epsilon^{1/(1 + Qk)}$ attain.
Half of it is $\lambda$. $m = 2$ if $\theta$ is 0 or 1, where a segment of radii attains it.

**A true unit $(a^*, b^*)$, fitted by $n$ units.** Near $b^*$ the equations are $\sum_h a_h (b_h - b^*)^j = a^*$ for $j
= 0$ and $0$ for $j \ge 1$. A bounded $a$ solves them to within $\epsilon$ if and only if adding the point $b^*$ to the
nodes does not change $\max_T (|T| - v(T))$, where now $\epsilon^{v(T)} = \prod_{h<i \in T} |b_h - b_i|$. So $T$ may
contain $b^*$: the exponent is at least $M$ plus that of $n$ units with $Q = 1$ and truth zero, and the same radii
attain it. The cluster has $\lambda = M/2 + \lambda_0(n, M, Q = 1)$ and the same $m$, except that one unit with $M = 1$
is regular ($m = 1$).

**All together.** Jets of $g(b\,\cdot)$ at different $b^Q$ are independent, so clusters add: $\lambda$ is the least sum
over the ways to give each true unit at least one of the $H$ units and the rest to $b = 0$. Units elsewhere, with
outputs that cancel, cost no less than at $b = 0$ (at least $M/2 + \lambda_0(n - 1, M, 1)$).
"""

from fractions import Fraction

from slt.rlct._record import LearningCoefficient
from slt.rlct._sizes import check_at_most, check_size

SOURCE = "Aoyagi and Nagata (2012), Neural Computation 24, 1569-1610"
Pair = tuple[Fraction, int]


def _origin(units: int, outputs: int, step: int) -> Pair:
    k = 0
    while 2 * units >= outputs * ((k + 1) * k * step + 2 * (k + 1)):
        k += 1
    rlct = Fraction(outputs * step * k * (k + 1) + 2 * units, 4 * (1 + k * step))
    return rlct, 2 if units and 2 * units == outputs * (k * (k - 1) * step + 2 * k) else 1


def _true_unit(units: int, outputs: int) -> Pair:
    rlct, multiplicity = _origin(units, outputs, 1)
    return rlct + Fraction(outputs, 2), 1 if units == outputs == 1 else multiplicity


def vandermonde(units: int, *, outputs: int = 1, step: int = 1) -> LearningCoefficient:
    r"""Learning coefficient of a Vandermonde matrix type singularity at the origin.

    $$K = \sum_{k \ge 0} \Big\| \sum_{h=1}^H a_h b_h^{1+Qk} \Big\|^2, \qquad
    \lambda = \frac{MQk(k+1) + 2H}{4(1 + Qk)}, \quad k = \max\{i : 2H \ge M(i(i-1)Q + 2i)\},$$

    with $m = 2$ if $2H = M(k(k-1)Q + 2k)$ and $m = 1$ otherwise. The signs of $a_h \in \mathbb{R}^M$ and of $b_h$ are
    free: for mixtures, whose weights are not negative, see `mixture`.

    **Arguments:** `units` $H$, `outputs` $M$, `step` $Q$.
    **Returns:** `LearningCoefficient`, exact.
    **Raises:** `ValueError` if a size is no positive integer.
    **Source:** Aoyagi and Nagata (2012); proof in the module's docstring.

    >>> [str(vandermonde(h).rlct) for h in (1, 2, 3, 4)]
    ['1/2', '3/4', '1', '7/6']
    """
    h, m, q = check_size("units", units), check_size("outputs", outputs), check_size("step", step)
    rlct, multiplicity = _origin(h, m, q)
    return LearningCoefficient(rlct, multiplicity, "exact", SOURCE)


def three_layer(hidden: int, *, true_hidden: int = 0, outputs: int = 1, step: int = 2) -> LearningCoefficient:
    r"""Learning coefficient of a three-layer network with one input and no biases, such as a tanh network.

    $$f(x) = \sum_{h=1}^H a_h \tanh(b_h x), \qquad \lambda = \min_{n_0 + n_1 + \dots + n_r = H,\ n_1, \dots, n_r \ge 1}
    \Big\{\lambda_0(n_0, M, Q) + \sum_{i=1}^r \Big[\tfrac M2 + \lambda_0(n_i, M, 1)\Big]\Big\},$$

    where $\lambda_0(n, M, Q)$ is `vandermonde(n, outputs=M, step=Q)`, $0$ for $n = 0$. For $r = 0$, $M = 1$ and tanh:
    $\lambda = (H + i^2 + i)/(4i + 2)$ with $i = \lfloor \sqrt H \rfloor$, and $m = 2$ if $H = i^2$.

    **Arguments:** `hidden` $H$. `true_hidden`: $r$, the units of the smallest network that is the truth (different
    $b^*_i$, for even $Q$ different $|b^*_i|$; no $a^*_i$ and no $b^*_i$ zero). `outputs` $M$. `step` $Q$: the
    activation is a power series in $x^{1+Qk}$, $k = 0, 1, \dots$, with no coefficient zero; 2 for tanh and arctan, 1
    for $e^x - 1$.
    **Returns:** `LearningCoefficient`, exact, the smallest $\lambda$ on the set of true parameters for a prior that is
    positive there; its certificate is the best $(n_0, n_1, \dots, n_r)$.
    **Raises:** `ValueError` if a size is no positive integer or if `true_hidden` exceeds `hidden`.
    **Source:** Aoyagi and Nagata (2012) for truth zero; both proofs are in the module's docstring.

    >>> three_layer(4).rlct, three_layer(4).multiplicity
    (Fraction(1, 1), 2)
    """
    h, m, q = check_size("hidden", hidden), check_size("outputs", outputs), check_size("step", step)
    r = check_size("true_hidden", true_hidden, 0)
    check_at_most("true_hidden", r, h, "the number of hidden units, for the truth to lie in the model")
    # best[n]: smallest lambda, then largest m, with n units in the clusters so far; m - 1 adds, as lambda does.
    best = {n: (*_key(_origin(n, m, q)), (n,)) for n in range(0 if r else h, h - r + 1)}
    for i in range(1, r + 1):
        unit = {n: _key(_true_unit(n, m)) for n in range(1, h - r + 2)}
        best = {
            n: min(
                (best[k][0] + unit[n - k][0], best[k][1] + unit[n - k][1], (*best[k][2], n - k)) for k in best if k < n
            )
            for n in range(i, h - r + i + 1)
        }
    rlct, less, counts = best[h]
    source = SOURCE if r == 0 else f"clusters {counts} at zero and at the true units; {SOURCE} and slt.rlct._networks"
    return LearningCoefficient(rlct, 1 - less, "exact", source, counts)


def _key(pair: Pair) -> tuple[Fraction, int]:
    return pair[0], 1 - pair[1]
