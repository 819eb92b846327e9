r"""Newton polyhedra in exact integers: facets by double description, compact faces, cones (floor 1).

The polyhedron of exponents $e_1, \dots, e_r$ is the convex hull of $\bigcup_i (e_i + \mathbb{R}^d_{\ge 0})$.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import gcd

Vector = tuple[int, ...]


def dot(u, e):
    return sum(a * b for a, b in zip(u, e, strict=True))


def primitive(v) -> Vector:
    """The shortest integer vector in the direction of v."""
    g = gcd(*v)
    return tuple(a // g for a in v) if g else tuple(v)


def rank(rows) -> int:
    """Rank over the rationals."""
    rows, r = [[Fraction(a) for a in row] for row in rows], 0
    width = len(rows[0]) if rows else 0
    for column in range(width):
        pivot = next((i for i in range(r, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[r], rows[pivot] = rows[pivot], rows[r]
        for i in range(r + 1, len(rows)):
            if rows[i][column]:
                f = rows[i][column] / rows[r][column]
                rows[i] = [a - f * b for a, b in zip(rows[i], rows[r], strict=True)]
        r += 1
    return r


def minimal(exponents) -> list[Vector]:
    """The exponents that no other one divides."""
    points = sorted(set(map(tuple, exponents)), key=lambda e: (sum(e), e))
    kept: list[Vector] = []
    for e in points:
        if not any(all(a <= b for a, b in zip(f, e, strict=True)) for f in kept):
            kept.append(e)
    return kept


@dataclass(frozen=True)
class Face:
    """A compact face: the facets that hold it (indices into `normals`), its vertices, a weight in its cone."""

    facets: frozenset[int]
    vertices: tuple[Vector, ...]
    weight: Vector

    @property
    def dimension(self) -> int:
        return rank([[a - b for a, b in zip(v, self.vertices[0], strict=True)] for v in self.vertices[1:]] or [[0]])


class Polyhedron:
    r"""The Newton polyhedron of some exponents, with vertices, facet normals and compact faces.

    $$\Gamma_+ = \{e : \langle u_r, e\rangle \ge N(u_r) \text{ for every facet normal } u_r\}$$
    """

    def __init__(self, exponents):
        self.points = minimal(exponents)
        self.dimension = len(self.points[0])
        rays = _double_description(self.points)
        self.normals: tuple[Vector, ...] = tuple(sorted(r[:-1] for r in rays if any(r[:-1])))
        self.offsets = tuple(min(dot(u, e) for e in self.points) for u in self.normals)

    def tight(self, e) -> frozenset[int]:
        return frozenset(i for i, u in enumerate(self.normals) if dot(u, e) == self.offsets[i])

    @cached_property
    def vertices(self) -> tuple[Vector, ...]:
        return tuple(e for e in self.points if rank([self.normals[i] for i in self.tight(e)]) == self.dimension)

    @cached_property
    def compact_faces(self) -> tuple[Face, ...]:
        """All compact faces, vertices included; each is the join of its vertices."""
        tight = {v: self.tight(v) for v in self.vertices}
        found, new = set(tight.values()), set(tight.values())
        while new:
            new = {a & b for a in new for b in tight.values()} - found
            new = {f for f in new if f and all(self._weight(f))}
            found |= new
        return tuple(
            Face(f, tuple(v for v in self.vertices if f <= tight[v]), self._weight(f))
            for f in sorted(found, key=lambda f: (-len(f), sorted(f)))
            if all(self._weight(f))
        )

    def _weight(self, facets) -> Vector:
        return tuple(sum(self.normals[i][j] for i in facets) for j in range(self.dimension))


def _double_description(points: list[Vector]) -> list[Vector]:
    """Extreme rays of {(u, t): u >= 0, <u, e> >= t for each e}, in integers."""
    d, first = len(points[0]), points[0]
    unit = [tuple(int(i == j) for i in range(d)) for j in range(d)]
    rows = [(*u, 0) for u in unit] + [(*first, -1)]
    rays = [(*u, first[j]) for j, u in enumerate(unit)] + [(0,) * d + (-1,)]
    for e in points[1:]:
        row = (*e, -1)
        value = {r: dot(row, r) for r in rays}
        zeros = {r: frozenset(i for i, a in enumerate(rows) if dot(a, r) == 0) for r in rays}
        plus, minus = [r for r in rays if value[r] > 0], [r for r in rays if value[r] < 0]
        fresh = []
        for p in plus:
            for m in minus:
                common = zeros[p] & zeros[m]
                if len(common) >= d - 1 and not any(common <= zeros[r] for r in rays if r not in (p, m)):
                    fresh.append(primitive([value[p] * b - value[m] * a for a, b in zip(p, m, strict=True)]))
        rays = [r for r in rays if value[r] >= 0] + fresh
        rows.append(row)
    return rays


def minkowski_sum(supports: list[list[Vector]]) -> list[Vector]:
    """Exponents of the product of polynomials with these exponents, as far as the polyhedron needs them."""
    total = supports[0]
    for support in supports[1:]:
        total = minimal(tuple(a + b for a, b in zip(e, f, strict=True)) for e in total for f in support)
    return total


def lattice_basis(vectors) -> list[Vector]:
    """A basis of the lattice of all integer points in the span of the vectors (the saturated lattice)."""
    rows = [list(v) for v in vectors if any(v)]
    n = len(rows[0]) if rows else 0
    # Hermite normal form of the transposed problem: unimodular column operations that make the rows triangular.
    columns = [[int(i == j) for i in range(n)] for j in range(n)]
    used = 0
    for row in rows:
        while True:
            values = [dot(row, c) for c in columns]
            live = [j for j in range(used, n) if values[j]]
            if len(live) <= 1:
                break
            small = min(live, key=lambda j: abs(values[j]))
            for j in live:
                if j != small:
                    q = values[j] // values[small]
                    columns[j] = [a - q * b for a, b in zip(columns[j], columns[small], strict=True)]
        if live:
            columns[used], columns[live[0]] = columns[live[0]], columns[used]
            used += 1
    return [tuple(r) for r in _inverse(columns)[:used]]


def _inverse(columns) -> list[list[int]]:
    """Rows of the inverse of the unimodular matrix with these columns."""
    n = len(columns)
    a = [[Fraction(columns[j][i]) for j in range(n)] + [Fraction(int(i == k)) for k in range(n)] for i in range(n)]
    for c in range(n):
        p = next(i for i in range(c, n) if a[i][c])
        a[c], a[p] = a[p], a[c]
        a[c] = [x / a[c][c] for x in a[c]]
        for i in range(n):
            if i != c and a[i][c]:
                a[i] = [x - a[i][c] * y for x, y in zip(a[i], a[c], strict=True)]
    return [[int(x) for x in row[n:]] for row in a]


def coordinates_in(basis: list[Vector], v) -> Vector:
    """Integer coordinates of v in a basis of a lattice that holds it."""
    for columns in combinations(range(len(v)), len(basis)):
        if rank([[b[c] for c in columns] for b in basis]) == len(basis):
            a = [[Fraction(b[c]) for b in basis] + [Fraction(v[c])] for c in columns]
            break
    n = len(basis)
    for c in range(n):
        p = next(i for i in range(c, n) if a[i][c])
        a[c], a[p] = a[p], a[c]
        a[c] = [x / a[c][c] for x in a[c]]
        for i in range(n):
            if i != c and a[i][c]:
                a[i] = [x - a[i][c] * y for x, y in zip(a[i], a[c], strict=True)]
    return tuple(int(row[n]) for row in a)
