r"""The real zeros of K in the plane and in space, cut by their pair (floor 1).

Off the singular points of the factors and off their meetings one factor vanishes, simply, and the pair is
$((h + 1)/k, 1)$. What is left is cut into curves and points (`_varieties`). Along a curve where two factors cross
transversally, both ratios count; so do the powers of two generators with independent gradients. Along the graph of
polynomials, moved to a coordinate line, the Newton polygon over the line answers between its critical points (`_line`).
The points are resolved one by one.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import sympy

from slt.rlct._budget import Spent, limited, spent
from slt.rlct._faces import common_zeros
from slt.rlct._global import NoRealZero, refuse_negative_values
from slt.rlct._pair import Pair
from slt.rlct._parse import parse
from slt.rlct._point import Search, resolve_point
from slt.rlct._reals import Undecided, real_roots
from slt.rlct._retry import as_squares
from slt.rlct._space import Curve, curves, key, sample, vanishes
from slt.rlct._toric import refuse_odd
from slt.rlct._varieties import changes_sign

CHARTS = 60  # of the resolution of one point


@dataclass(frozen=True)
class LocalStratum:
    r"""A piece of the zero set of K along which the local learning coefficient does not change.

    $$\{w : f(w) = 0 \text{ for all equations, and the conditions hold}\}$$

    A zero of K belongs to the piece of the *least dimension* that contains it: a curve is meant without the points,
    and a surface without the curves, that are listed too.

    **Arguments:** `rlct`, `multiplicity`: the pair at every point of the piece; without `exact`, a bound of λ (or
    `None`) and no m. `dimension`: 0, 1 or 2. `equations`: polynomials that vanish on it. `conditions`: inequalities.
    `point`: one real point of it, or `None` if no simple one was found.
    **Source:** `slt.rlct._strata`.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> strata(x**2 * y**2)[0]
    LocalStratum((1/2, 2), dimension 0: x = 0, y = 0)
    """

    rlct: Fraction | None
    multiplicity: int | None
    dimension: int
    equations: tuple[Any, ...]
    conditions: tuple[Any, ...]
    point: tuple[Any, ...] | None
    exact: bool = True

    def __repr__(self) -> str:
        where = ", ".join([*(f"{e} = 0" for e in self.equations), *map(str, self.conditions)])
        pair = f"({self.rlct}, {self.multiplicity})" if self.exact else f"<= {self.rlct}, not decided"
        return f"LocalStratum({pair}, dimension {self.dimension}: {where})"


@limited
def strata(K, *, prior=1) -> tuple[LocalStratum, ...]:
    r"""All real zeros of K in two or three variables, by their local pair $(\lambda, m)$.

    $$\lambda(w^*) = \min \text{ over a small ball around } w^*, \qquad \lambda = \min_{K(w^*) = 0} \lambda(w^*)$$

    **Arguments:** `K`, `prior`: as in `learning_coefficient`, with two or three variables.
    **Returns:** pieces, the global pair first (least λ, then largest m), those that are not exact last. If all are
    exact, the first pair is the global one.
    **Raises:** `ValueError` as `learning_coefficient`, for another number of variables, for a symbol that is
    declared nonnegative, and if K has no real zero.
    **Source:** the module's derivation; Watanabe (2009), chapter 3; Lau, Furman, Wang, Murfet and Wei (2025) for the
    local learning coefficient.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> for piece in strata((y**2 - x**3) ** 2):
    ...     print(piece)
    LocalStratum((5/12, 1), dimension 0: x = 0, y = 0)
    LocalStratum((1/2, 1), dimension 1: x**3 - y**2 = 0)
    """
    problem = parse(as_squares(K), prior, None, zero=False)
    variables, d = problem.variables, problem.ring.ngens
    if d not in (2, 3):
        raise ValueError(f"strata needs two or three variables; got {d}: {', '.join(map(str, variables))}.")
    half = [str(v) for v in variables if v.is_nonnegative]
    if half:
        raise ValueError(f"strata looks at the whole space; {', '.join(half)} is declared nonnegative. Use real=True.")
    refuse_negative_values(problem)
    pair = problem.pair()
    found, lines, places = _surfaces(pair), [], {}
    surfaces = [(g, pair.k[j], pair.h[j]) for j, g in enumerate(pair.ring.gens) if pair.k[j] or pair.h[j]]
    surfaces += [(f.poly, f.k, f.h) for f in pair.factors]
    generators = [(f, f.factor_list()[1]) for f in problem.generators or () if f]
    unknown: list[LocalStratum] = []
    for system in _systems(surfaces):
        try:
            if spent():
                raise Spent
            if d == 2:
                places |= _plane_points(system)
            else:
                more, isolated = curves(pair, system, surfaces, generators)
                lines += [c for c in more if all(c.basis != other.basis for other in lines)]
                places |= isolated
        except (Undecided, Spent):
            equations = tuple(p.as_expr() for p in system)
            unknown.append(LocalStratum(None, None, d - 2, equations, (), None, False))
    for c in lines:
        places |= c.breaks
    resolved = {name: _point(pair, variables, *place) for name, place in places.items()}
    for c in lines:
        found += _runs(c)
    listed = [p for p in resolved.values() if spent() or not _swallowed(p, found)] + found + unknown
    if not listed:
        raise NoRealZero(f"no real zero of K was found: {problem.kl.as_expr()}. Subtract the minimum of K.")
    return tuple(sorted(listed, key=_place))


def _place(p: LocalStratum):
    return not p.exact, p.rlct is None, p.rlct or 0, -(p.multiplicity or 0), p.dimension, str(p.equations)


def _surfaces(pair: Pair) -> list[LocalStratum]:
    """The factors of K that have a smooth real zero, at a general point."""
    found = []
    all_of_them = [(g, pair.k[j], pair.h[j]) for j, g in enumerate(pair.ring.gens)]
    all_of_them += [(f.poly, f.k, f.h) for f in pair.factors]
    for p, k, h in all_of_them:
        real: bool | None = False
        if k:
            try:
                real = None if spent() else changes_sign(p)
            except Spent:
                real = None
        if real is None and k % 2:  # K is not negative, so p does not change sign: it vanishes with its gradient
            real = False
        if real is False:
            continue
        if real:
            refuse_odd(k, str(p.as_expr()))
        point = None
        with suppress(Spent):
            point = sample(p, [q for q, *powers in all_of_them if any(powers) and q != p]) if not spent() else None
        m = 1 if real else None
        found.append(LocalStratum((h + 1) / k, m, pair.dimension - 1, (p.as_expr(),), (), point, bool(real)))
    return found


def _systems(surfaces) -> list[list]:
    """Where factors are singular or meet, as far as K vanishes there."""
    gradients = [[p, *(p.diff(x) for x in p.ring.gens)] for p, k, _ in surfaces if k and max(map(sum, p)) > 1]
    return gradients + [[p, q] for (p, k, _), (q, e, _) in combinations(surfaces, 2) if k or e]


def _plane_points(system) -> dict:
    if any(p and p.is_ground for p in system):
        return {}
    out = {}
    for domain, root, common in common_zeros([p for p in system if p]):
        for field, other in real_roots(common):
            place = (other, field.convert(root, domain))
            out[key(field, place)] = (field, place)
    return out


def _point(pair: Pair, variables, field, place) -> LocalStratum:
    """The piece of one point, a zero of K."""
    here = pair
    point = tuple(field.to_sympy(c) for c in place)
    equations = tuple(v - c for v, c in zip(variables, point, strict=True))
    try:
        for j, c in enumerate(place):
            here = here.shift(j, field, c)
        node = resolve_point(here, "point", Search(CHARTS))
    except Spent:
        return LocalStratum(None, None, 0, equations, (), point, False)
    return LocalStratum(node.rlct, node.multiplicity, 0, equations, (), point, node.exact)


def _runs(c: Curve) -> list[LocalStratum]:
    """Pieces of a curve: neighbouring arcs with one pair are joined."""
    pieces: list[LocalStratum] = []
    equations = tuple(g.as_expr() for g in c.basis)
    for n, (rlct, m, exact, point) in enumerate(c.arcs):
        low = () if n == 0 else (c.parameter > c.ends[n - 1],)
        high = () if n == len(c.arcs) - 1 else (c.parameter < c.ends[n],)
        last = pieces[-1] if pieces else None
        if last is not None and (last.rlct, last.multiplicity, last.exact) == (rlct, m, exact):
            kept = tuple(r for r in last.conditions if isinstance(r, sympy.StrictGreaterThan))
            pieces[-1] = replace(last, conditions=kept + high)
        else:
            pieces.append(LocalStratum(rlct, m, 1, equations, low + high, point, exact))
    return pieces


def _swallowed(piece: LocalStratum, others: list[LocalStratum]) -> bool:
    """Whether all curves through a point have its own pair, so that it need not be listed."""
    assert piece.point is not None
    values = {next(iter(e.free_symbols)): c for e, c in zip(piece.equations, piece.point, strict=True)}
    through: list[LocalStratum] = []
    with suppress(Spent):
        through = [o for o in others if o.dimension == 1 and all(vanishes(e, values) for e in o.equations)]
    same = all((o.rlct, o.multiplicity, o.exact) == (piece.rlct, piece.multiplicity, piece.exact) for o in through)
    return bool(through) and same
