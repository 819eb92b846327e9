r"""Taylor polynomials in place of analytic functions, with a proof (floor 1).

**Taylor in an ideal.** Let $f_i = g_i + h_i$ with $h_i \in \mathfrak m^{D+1}$. If every monomial of degree $D$ is a
combination of the $w^e g_i$ modulo $\mathfrak m^{D+1}$, then $\mathfrak m^D \subset (g) + \mathfrak m\,\mathfrak m^D$,
so $\mathfrak m^D \subset (g)$ by Nakayama's lemma, $h_i \in \mathfrak m (g)$, and by the same lemma $(f) = (g)$. The
condition is linear algebra over the rational numbers. It holds for some $D$ exactly if 0 is an isolated complex zero.

**Taylor in K itself.** Let $P$ be the Taylor polynomial of degree $D$ of $K$, positive on the real torus on each
compact face of its polyhedron, with a pure power $w_j^{n_j}$, $n_j \le D$, of each coordinate. Then $P \asymp
\sum |w^v|$ over the vertices $v$; each monomial of degree $D$ lies in the polyhedron and is at most that sum, so
those of higher degree are small against $P$, and $K \asymp P$.
"""

from itertools import combinations_with_replacement
from math import comb

import sympy
from sympy.polys.matrices import DomainMatrix

from slt.rlct._analytic import UNITS, State, T, at_zero, vanishes
from slt.rlct._faces import initial_form, inspect_face
from slt.rlct._polyhedron import Polyhedron, minimal

MOST_DEGREE = 12
MOST_MONOMIALS = 130
TAYLOR = "the remainder lies in m^{}, all of m^{} in the ideal (Nakayama)"
POSITIVE = "the Taylor polynomial is positive on each compact face; the rest, of degree above {}, is small against it"


def _blocks(generators) -> list[list]:
    """Generators that share symbols, together."""
    groups: list[tuple[set, list]] = []
    for f in generators:
        joined, members, rest = set(f.free_symbols), [f], []
        for symbols, others in groups:
            if symbols & joined:
                joined, members = joined | symbols, [*others, *members]
            else:
                rest.append((symbols, others))
        groups = [*rest, (joined, members)]
    return [members for _, members in groups]


def truncate(state: State) -> State:
    """Taylor polynomials of the blocks that are not polynomial, with the proof."""
    for block in _blocks(state.generators):
        symbols = sorted(sympy.Tuple(*block).free_symbols, key=sympy.default_sort_key)
        if all(f.is_polynomial(*symbols) for f in block):
            continue
        common = sympy.gcd_list([sympy.Mul(*(b for b in sympy.Mul.make_args(f) if b.is_polynomial())) for f in block])
        rest = [sympy.cancel(f / common) for f in block]
        if any(not vanishes(f) for f in rest):
            return state.to("units are left out", [f for f in state.generators if f not in block] + [common], UNITS)
        inner = sorted(sympy.Tuple(*rest).free_symbols, key=sympy.default_sort_key)
        for degree in range(1, MOST_DEGREE + 1):
            polys = [taylor(f, inner, degree) for f in rest]
            if any(polys) and contains_power([g for g in polys if g != 0], inner, degree):
                break
        else:
            raise ValueError(
                f"no Taylor polynomials could be proved to replace {', '.join(map(str, rest))}: their common zero is "
                "not isolated, or of too high an order. Write them as products, change coordinates, or pass "
                "polynomials f_i with c sum f_i**2 <= K <= C sum f_i**2."
            )
        new = {f: sympy.expand(common * g) for f, g in zip(block, polys, strict=True)}
        name = f"Taylor polynomials of degree {degree}"
        generators = [g for g in (new.get(f, f) for f in state.generators) if g != 0]
        state = state.to(name, generators, TAYLOR.format(degree + 1, degree))
    return state


def comparable(state: State) -> State:
    """K itself: the factors that are not polynomial, by a Taylor polynomial that is positive on its faces."""
    out, highest = [], 0
    for factor in sympy.Mul.make_args(state.generators[0]):
        base, n = factor.as_base_exp()
        symbols = sorted(base.free_symbols, key=sympy.default_sort_key)
        if not base.is_polynomial(*symbols):
            for degree in degrees(len(symbols))[1::2]:
                found = taylor(base, symbols, degree)
                if found != 0 and _positive(found, symbols, degree):
                    base, highest = found, max(highest, degree)
                    break
            else:
                raise ValueError(
                    f"no Taylor polynomial could be proved to be comparable to {base}. Write K as a sum of squares (a "
                    "list of generators), or pass a polynomial K' with c K' <= K <= C K'."
                )
        out.append(base**n)
    return state.to(f"Taylor polynomial of degree {highest}", [sympy.Mul(*out)], POSITIVE.format(highest))


def _positive(f, symbols, degree: int) -> bool:
    if not all(c.is_Rational for c in sympy.Poly(f, *symbols).coeffs()):
        return False
    poly = sympy.ring(symbols, sympy.QQ)[0].from_expr(f)
    for j in range(len(symbols)):
        pure = [e[j] for e in poly if sum(e) == e[j]]
        if not pure or min(pure) > degree:
            return False
    polyhedron = Polyhedron(minimal(poly))
    if any(any(n % 2 for n in e) or poly[e] <= 0 for e in polyhedron.vertices):
        return False
    for face in polyhedron.compact_faces:
        report = inspect_face([initial_form(poly, face.weight)], face)
        if report.nondegenerate is not True or report.zeros:
            return False
    return True


def degrees(dimension: int) -> list[int]:
    """The degrees that are tried."""
    return [d for d in range(1, MOST_DEGREE + 1) if comb(dimension + d, d) <= MOST_MONOMIALS]


def taylor(f, symbols, degree: int):
    """The Taylor polynomial of f at the origin: those of its parts, composed."""
    if f.is_polynomial(*symbols):
        return _cut(f, symbols, degree)
    parts = [taylor(g, symbols, degree) for g in f.args]
    if f.is_Add:
        return _cut(sympy.Add(*parts), symbols, degree)
    if f.is_Mul:
        out = parts[0]
        for g in parts[1:]:
            out = _cut(out * g, symbols, degree)
        return out
    moving = next(n for n, g in enumerate(f.args) if g.free_symbols)  # the base or the exponent of a power
    inner, phi = parts[moving], f.func(*(T if n == moving else g for n, g in enumerate(f.args)))
    start = at_zero(inner)
    total, power, factorial = sympy.Integer(0), sympy.Integer(1), 1
    for k in range(degree + 1):
        factorial *= max(k, 1)
        total += phi.subs(T, start) / factorial * power
        phi, power = phi.diff(T), _cut(power * (inner - start), symbols, degree)
    return _cut(total, symbols, degree)


def _cut(f, symbols, degree: int):
    terms = [t for t in sympy.Poly(f, *symbols).terms() if sum(t[0]) <= degree]
    return sympy.Add(*(c * sympy.Mul(*(v**n for v, n in zip(symbols, e, strict=True))) for e, c in terms))


def contains_power(polys, symbols, degree: int) -> bool:
    r"""Whether $\mathfrak m^D \subset (g) + \mathfrak m^{D+1}$: a rank, over the field of the coefficients."""
    if not all(c.is_Rational for g in polys for c in sympy.Poly(g, *symbols).coeffs()):
        return False
    exponents = [tuple(c.count(j) for j in range(len(symbols)))
                 for k in range(degree + 1) for c in combinations_with_replacement(range(len(symbols)), k)]  # fmt: skip
    place = {e: n for n, e in enumerate(exponents)}
    rows = []
    for g in polys:
        terms = sympy.Poly(g, *symbols).terms()
        for e in exponents:
            row = [sympy.Integer(0)] * len(place)
            for d, c in terms:
                n = place.get(tuple(a + b for a, b in zip(d, e, strict=True)))
                if n is not None:
                    row[n] = c
            if any(row):
                rows.append(row)
    low = sum(1 for e in exponents if sum(e) < degree)  # the columns of lower degree come first
    pivots = DomainMatrix.from_Matrix(sympy.Matrix(rows)).to_field().rref()[1]
    return sum(1 for p in pivots if p >= low) == len(exponents) - low
