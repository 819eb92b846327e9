r"""Deep linear networks: products of any number of matrices (floor 1)."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from slt.rlct._record import LearningCoefficient
from slt.rlct._sizes import check_at_most, check_size

SOURCE = "Aoyagi (2024), Neural Networks 172, 106132"


def deep_linear(widths: Sequence[int], rank: int) -> LearningCoefficient:
    r"""Learning coefficient of a deep linear network $y = W_L \cdots W_1 x + \text{noise}$.

    $$K(W) \asymp \|W_L \cdots W_1 - C\|^2, \qquad
    \lambda = \frac{r(H_1 + H_{L+1} - r)}2 + \frac{a(\ell - a)}{4\ell} - \frac{\ell - 1}{4\ell} S^2
    + \frac12 \sum_{i < j \in \Sigma} M_i M_j, \qquad m = a(\ell - a) + 1$$

    with $M_i = H_i - r$, $\Sigma$ the smallest set of indices, of $\ell + 1 \ge 2$ elements, such that
    $\ell \max_\Sigma M \le S < \ell \min_{\Sigma^c} M$ where $S = \sum_\Sigma M_i$, and
    $a = S - (\lceil S/\ell \rceil - 1)\ell$. The order of the inner and outer widths changes only the first term.

    **Arguments:** `widths`: $H_1, \dots, H_{L+1}$, from the input to the output. `rank`: $r$ of the true matrix $C$.
    **Returns:** `LearningCoefficient`, exact, the smallest $\lambda$ on the set of true parameters; its certificate is
    the widths in $\Sigma$.
    **Raises:** `ValueError` if there are fewer than two widths, if one is no positive integer, or if `rank` exceeds
    the smallest (the truth is then not in the model).
    **Source:** Aoyagi (2024).

    >>> deep_linear([2, 2, 2, 2], 0).rlct, deep_linear([2, 2, 2, 2], 0).multiplicity
    (Fraction(3, 2), 3)
    """
    if isinstance(widths, str) or not hasattr(widths, "__len__") or len(widths) < 2:
        raise ValueError(f"widths must list at least two layers, input first and output last; got {widths!r}.")
    sizes = [check_size(f"widths[{i}]", width) for i, width in enumerate(widths)]
    r = check_size("rank", rank, 0)
    check_at_most("rank", r, min(sizes), "the smallest width, for the truth to lie in the model")
    chosen = _deciding([size - r for size in sizes])
    ell, total = len(chosen) - 1, sum(chosen)
    a = total - (-(-total // ell) - 1) * ell
    outer = Fraction(r * (sizes[0] + sizes[-1] - r), 2)
    pairs = sum(x * y for x, y in combinations(chosen, 2))
    rlct = outer + Fraction(a * (ell - a) - (ell - 1) * total**2, 4 * ell) + Fraction(pairs, 2)
    certificate = tuple(x + r for x in chosen)
    return LearningCoefficient(rlct, a * (ell - a) + 1, "exact", SOURCE, certificate)


def _deciding(excess: list[int]) -> list[int]:
    """The smallest sorted prefix of at least two elements whose mean bound lies between its largest and the rest."""
    ordered = sorted(excess)
    for ell in range(1, len(ordered)):
        total = sum(ordered[: ell + 1])
        if total >= ell * ordered[ell] and (ell + 1 == len(ordered) or total < ell * ordered[ell + 1]):
            return ordered[: ell + 1]
    raise AssertionError(f"no deciding set among {ordered}: a fault of this function")
