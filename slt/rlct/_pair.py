r"""The pair (K, prior) near a real point, as products of powers, and how it changes with the coordinates (floor 1).

$$K = \prod_j |w_j|^{k_j} \prod_i |f_i|^{k_i}, \qquad \varphi = \prod_j |w_j|^{h_j} \prod_i |f_i|^{h_i}$$

Coordinates with exponents and the squarefree, pairwise coprime polynomials $f_i$ are kept apart. Jacobians go into h.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from sympy.polys.rings import PolyRing

from slt.rlct._reals import change_domain
from slt.rlct._types import Polynomial


@dataclass(frozen=True)
class Factor:
    """A polynomial with its power k in K and its power h in the prior."""

    poly: Polynomial
    k: Fraction
    h: Fraction


@dataclass(frozen=True)
class Pair:
    """Powers of the coordinates, and the factors that are no coordinates."""

    ring: PolyRing
    k: tuple[Fraction, ...]
    h: tuple[Fraction, ...]
    factors: tuple[Factor, ...]

    @property
    def dimension(self) -> int:
        return len(self.k)

    def at_origin(self) -> "Pair":
        """Without the factors that are units at the origin."""
        return replace(self, factors=tuple(f for f in self.factors if not f.poly.coeff(1)))

    def substitute(self, images: dict[int, Polynomial], jacobian: tuple[int, ...] | None = None) -> "Pair":
        """The pair in new coordinates: w_j becomes images[j]; `jacobian` holds the Jacobian's monomial exponents."""
        gens = self.ring.gens
        swap = [(gens[j], p) for j, p in images.items()]
        powers = [(f.poly.compose(swap), f.k, f.h) for f in self.factors]
        powers += [(images.get(j, g), self.k[j], self.h[j]) for j, g in enumerate(gens)]
        out = from_powers(self.ring, powers)
        return out if jacobian is None else replace(out, h=tuple(a + b for a, b in zip(out.h, jacobian, strict=True)))

    def shift(self, j: int, domain, c) -> "Pair":
        """Move the origin to w_j = c, an element of a field that may be larger than the present one."""
        pair = self
        if domain != self.ring.domain:
            ring = self.ring.clone(domain=domain)
            factors = tuple(replace(f, poly=change_domain(f.poly, domain)) for f in self.factors)
            pair = Pair(ring, self.k, self.h, factors)
        if not c:
            return pair
        return pair.substitute({j: pair.ring.gens[j] + pair.ring.ground_new(domain.convert(c))})


def strip(poly: Polynomial) -> tuple[tuple[int, ...], Polynomial]:
    """The monomial that divides a polynomial, and the quotient with leading coefficient one."""
    low = tuple(min(e[j] for e in poly) for j in range(poly.ring.ngens))
    quotient = poly.ring.from_dict({tuple(a - b for a, b in zip(e, low, strict=True)): c for e, c in poly.terms()})
    return low, quotient.monic()


def from_powers(ring: PolyRing, powers) -> Pair:
    """The pair of a product of (polynomial, power in K, power in the prior), equal factors merged."""
    k, h = [Fraction(0)] * ring.ngens, [Fraction(0)] * ring.ngens
    merged: dict[Polynomial, tuple[Fraction, Fraction]] = {}
    for poly, power, prior in powers:
        if not (power or prior):
            continue
        low, rest = strip(poly)
        for j, e in enumerate(low):
            k[j] += e * power
            h[j] += e * prior
        if not rest.is_ground:
            a, b = merged.get(rest, (Fraction(0), Fraction(0)))
            merged[rest] = (a + power, b + prior)
    factors = tuple(Factor(p, a, b) for p, (a, b) in merged.items() if a or b)
    return Pair(ring, tuple(k), tuple(h), factors)
