r"""Normal crossings: the only singularities whose $\lambda$ can be read off (floor 1)."""

from fractions import Fraction

from slt.rlct._record import LearningCoefficient


def normal_crossing(k, h) -> LearningCoefficient:
    r"""$\lambda$ and m of $K(w) = \prod_j w_j^{2 k_j}$ with the prior $\prod_j |w_j|^{h_j}$ at the origin.

    $$\lambda = \min_{k_j > 0} \frac{h_j + 1}{2 k_j}, \qquad m = \#\{j : k_j > 0,\ (h_j + 1)/(2 k_j) = \lambda\}$$

    because the zeta function is $\int K^z \varphi\,dw = c \prod_j (2 k_j z + h_j + 1)^{-1}$ near its largest pole.

    **Arguments:** `k`: nonnegative integers, half the exponents of K, not all zero. `h`: exponents of the prior,
    rational and above -1, one per entry of `k`.
    **Returns:** `LearningCoefficient`, exact; `certificate` holds the ratio of each coordinate (`None` where k is 0).
    **Raises:** `ValueError` for exponents that are no integers, negative, all zero or too few, and for a prior that
    cannot be integrated.
    **Source:** Watanabe (2009), chapter 4; Watanabe (2018), section 5.1.

    >>> normal_crossing([1, 1], [0, 0])
    LearningCoefficient(rlct=1/2, multiplicity=2, exact; normal crossing)
    >>> normal_crossing([2, 1], [1, 0]).certificate
    (Fraction(1, 2), Fraction(1, 2))
    """
    k, h = _numbers("k", k), _numbers("h", h)
    if len(k) != len(h):
        raise ValueError(
            f"k and h must have one entry per coordinate; got {len(k)} and {len(h)}. Without a prior: h = 0."
        )
    for a in k:
        if a.denominator != 1 or a < 0:
            raise ValueError(f"k must hold integers >= 0, half the even exponents of K; got {a}.")
    if not any(k):
        raise ValueError(f"K must vanish at the origin, so some k_j must be positive; got {[int(a) for a in k]}.")
    if min(h) <= -1:
        raise ValueError(f"the prior cannot be integrated unless every h_j exceeds -1; got {min(h)}.")
    ratios = tuple((b + 1) / (2 * a) if a else None for a, b in zip(k, h, strict=True))
    found = [r for r in ratios if r is not None]
    return LearningCoefficient(min(found), found.count(min(found)), "exact", "normal crossing", ratios)


def _numbers(name: str, values) -> tuple[Fraction, ...]:
    """Exact rationals; a float counts as the decimal that it prints."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name} must list one exponent per coordinate, as [1, 2]; got {values!r}.")
    found, item = [], None
    try:
        for item in values:
            found.append(Fraction(str(item)))
    except ValueError:
        what = "integers" if name == "k" else "rational numbers"
        raise ValueError(f"{name} must hold {what}, written as numbers; got {item!r}.") from None
    return tuple(found)
