"""Normal crossings and Newton polyhedra against a naive enumeration, known pairs and numerical volumes."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Rational, symbols

from slt import rlct
from slt.rlct import _lp, _polyhedron

x, y, z = symbols("x y z")
F = Fraction


def pair(answer):
    assert answer.status == "exact", answer
    return answer.rlct, answer.multiplicity


# ---- normal crossings


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=5).filter(
        lambda r: any(k for k, _ in r)
    )
)
@settings(max_examples=60, deadline=None)
def test_normal_crossing_is_the_order_of_the_largest_pole(rows):
    # zeta(z) = prod 1/(2 k z + h + 1): count the factors that vanish at the largest root. Kills: max for min, k for 2k.
    k, h = zip(*rows, strict=True)
    s = sympy.Symbol("s")
    denominator = sympy.prod([2 * a * s + b + 1 for a, b in rows])
    roots = sympy.roots(sympy.Poly(denominator, s))
    largest = max(roots)
    assert pair(rlct.normal_crossing(k, h)) == (F(-largest), roots[largest])


BAD_CROSSINGS = [
    (([1, 1], [0]), "one entry per coordinate; got 2 and 1"),
    (([0.5], [0]), "integers >= 0"),
    (([-1], [0]), "integers >= 0"),
    (([0, 0], [0, 0]), "some k_j must be positive"),
    (([1], [-1]), "every h_j exceeds -1"),
    (([1, F(3, 2)], [0, 0]), "k must hold integers >= 0, half the even exponents of K; got 3/2"),
    (([x], [0]), "k must hold integers, written as numbers; got x"),
    (([float("nan")], [0]), "k must hold integers, written as numbers; got nan"),
    (([1], [x]), "h must hold rational numbers, written as numbers; got x"),
    (([1], [float("inf")]), "h must hold rational numbers, written as numbers; got inf"),
    ((1, 0), r"k must list one exponent per coordinate, as \[1, 2\]; got 1"),
    (("12", [0, 0]), "k must list one exponent per coordinate"),
    (([], []), "some k_j must be positive"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CROSSINGS)
def test_bad_exponents_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        rlct.normal_crossing(*arguments)


# ---- polyhedra in exact integers


def naive_vertices_of_dual(exponents):
    """All vertices of {u >= 0, <u, e> >= 1}, by solving every square system: the slow, obvious way."""
    d = len(exponents[0])
    rows = [(tuple(int(i == j) for i in range(d)), 0) for j in range(d)] + [(e, 1) for e in exponents]
    found = set()
    for chosen in combinations(rows, d):
        matrix = sympy.Matrix([r for r, _ in chosen])
        if matrix.det():
            u = tuple(matrix.LUsolve(sympy.Matrix([b for _, b in chosen])))
            if min(u) >= 0 and all(sum(a * b for a, b in zip(u, e, strict=True)) >= 1 for e in exponents):
                found.add(u)
    return found


def naive_newton(exponents, h):
    """λ and m = number of independent optimal vertices, from the list of all vertices."""
    values = {u: sum(a * (b + 1) for a, b in zip(u, h, strict=True)) for u in naive_vertices_of_dual(exponents)}
    best = min(values.values())
    return F(int(best.p), int(best.q)), sympy.Matrix([u for u, v in values.items() if v == best]).rank()


even = st.integers(0, 4).map(lambda a: 2 * a)


@st.composite
def monomial_sums(draw):
    d = draw(st.integers(2, 3))
    exponents = draw(st.lists(st.tuples(*[even] * d).filter(any), min_size=1, max_size=4, unique=True))
    return exponents, draw(st.tuples(*[st.integers(0, 2)] * d))


@given(monomial_sums())
@settings(max_examples=60, deadline=None)
def test_the_certified_optimum_is_the_naive_one(case):
    # Kills: multiplicity = number of optimal vertices, the prior's powers left out, a vertex that is not optimal.
    exponents, h = case
    optimum = _lp.solve(tuple(exponents), tuple(F(a + 1) for a in h))
    assert optimum.check()
    assert (optimum.value, optimum.multiplicity) == naive_newton(exponents, h)


@given(monomial_sums())
@settings(max_examples=40, deadline=None)
def test_facets_are_the_vertices_of_the_dual(case):
    exponents, _ = case
    hull = _polyhedron.Polyhedron(exponents)
    got = {tuple(F(a, n) for a in u) for u, n in zip(hull.normals, hull.offsets, strict=True) if n}
    assert got == {tuple(F(int(a.p), int(a.q)) for a in u) for u in naive_vertices_of_dual(exponents)}


def test_a_wrong_certificate_is_refused():
    good = _lp.solve(((2, 0), (0, 4)), (F(1), F(1)))
    assert good.check()
    for weights, multipliers in (
        ((F(1, 2), F(1, 2)), good.multipliers),  # feasible, not optimal
        (good.weights, (F(1, 2), F(1, 5))),  # values differ
        ((F(1, 2), F(1, 5)), good.multipliers),  # not feasible
    ):
        assert not _lp.Optimum(good.exponents, good.costs, weights, multipliers).check()


def test_a_weak_certificate_is_refused():
    # (x y)^2 and x^4: u = (1/4, 1/4) and u = (1/2, 0) are both optimal for costs (1, 1); only a strictly complementary
    # pair shows that m = 2.
    exponents, costs = ((2, 2), (4, 0)), (F(1), F(1))
    found = _lp.solve(exponents, costs)
    assert (found.value, found.multiplicity) == (F(1, 2), 2)
    assert not _lp.Optimum(exponents, costs, (F(1, 4), F(1, 4)), (F(1, 2), F(0))).check()


# ---- the polyhedron's answers


TABLE = [
    # facts that are known by hand or by a published formula
    (x**2 + y**2 + z**2, 1, F(3, 2), 1),
    (x**2 * y**2, 1, F(1, 2), 2),
    (x**4 * y**4, 1, F(1, 4), 2),
    (x**2 * y**4, 1, F(1, 4), 1),
    (x**6, 1, F(1, 6), 1),
    (x**2 * y**2, x, F(1, 2), 1),
    (x**4 * y**2, Abs(x), F(1, 2), 2),
    (x**2 + y**4, 1, F(3, 4), 1),
    (x**2 + y**2 * z**4, 1, F(3, 4), 1),
    (x**2 * y**2 * z**2, 1, F(1, 2), 3),
    (x**2 * y**2 + y**2 * z**2 + z**2 * x**2, 1, F(3, 4), 1),
    ((x * y - z**2) ** 2, 1, F(1, 2), 1),
    ((y**2 - x**2) ** 2, 1, F(1, 2), 2),
    ((y**2 - x**3) ** 2, 1, F(5, 12), 1),
    ((y**2 - x**3) ** 2, x, F(1, 2), 1),
    ((z**2 - x**2 * y) ** 2, 1, F(1, 2), 2),  # Whitney umbrella: two sheets cross along its handle
    ((x**2 + y**2 - z**2) ** 2, 1, F(1, 2), 1),
    ((x**2 + y**2) ** 2, 1, F(1, 2), 1),
    (x**2 * y**2 * (x - y) ** 2, 1, F(1, 3), 1),
    (x**2, Abs(x) ** Rational(1, 2), F(3, 4), 1),
]


@pytest.mark.parametrize(("kl", "prior", "value", "m"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_known_pairs(kl, prior, value, m):
    assert pair(rlct.newton(kl, prior=prior)) == (value, m)


def test_generators_are_squared_and_added():
    # The ideal's convention is twice: RLCT of <x y2, y2^2 y3, y2^2 y4, y2^2 y5> with prior y2^4 is (3, 1).
    a, b, c, d, e = symbols("a b c d e")
    found = rlct.newton([a * b, b**2 * c, b**2 * d, b**2 * e], prior=b**4)
    assert pair(found) == (F(3, 2), 1)
    assert found.certificate.ideal_rlct == 3
    # A restricted Boltzmann machine with one hidden unit: the ideal of all b_i b_j gives M/4, and (1/2, 2) at M = 2.
    for count in range(2, 7):
        b = symbols(f"b:{count}")
        want = (F(1, 2), 2) if count == 2 else (F(count, 4), 1)
        assert pair(rlct.newton([p * q for p, q in combinations(b, 2)])) == want
    # Five independent products: λ = 5/2, m = 5 * 2 - 4.
    assert pair(rlct.newton([symbols(f"u{i}") * symbols(f"v{i}") for i in range(5)])) == (F(5, 2), 6)


def test_the_usual_nondegeneracy_of_f_is_not_enough_for_its_square():
    # Kills: exact whenever the gradient of f does not vanish on the torus, with the polyhedron's own value.
    for kl, prior, polyhedron, truth in (
        ((y**2 - x**2) ** 2, 1, (F(1, 2), 1), (F(1, 2), 2)),
        ((x * y - z**2) ** 2, 1, (F(3, 4), 2), (F(1, 2), 1)),
        ((y**2 - x**3) ** 2, x, (F(7, 12), 1), (F(1, 2), 1)),
    ):
        found = rlct.newton(kl, prior=prior)
        assert (found.certificate.rlct, found.certificate.multiplicity) == polyhedron
        assert pair(found) == truth
        assert found.certificate.strict_transforms == (truth[0],)
        assert found.source == "Newton polyhedron and smooth factors"


DEGENERATE = [
    (y - x**2) ** 2 + x**6,
    (x - y) ** 2 + (y - z) ** 4,
    (x**2 + y**2 - z**2) ** 2 + z**6,
    (y**2 - x**3) ** 2 + x**8,
    (x**2 - 2 * x * z + z**2) ** 2 + y**6 + x**8,
]


@pytest.mark.parametrize("kl", DEGENERATE, ids=str)
def test_a_degenerate_face_gives_a_bound_and_says_so(kl):
    found = rlct.newton(kl)
    assert (found.status, found.multiplicity) == ("upper bound", None)
    assert found.certificate.nondegenerate is not True
    assert found.certificate.check()
    assert "not proved nondegenerate; learning_coefficient also blows up" in found.source


def test_a_half_line_is_not_taken_for_a_line():
    # (u + v)^2 on the quadrant has λ = 1, on the plane 1/2. Kills: a declared sign ignored; even functions refused.
    u, v = symbols("u v", nonnegative=True)
    with pytest.raises(ValueError, match=r"K is not even in u, .*Use learning_coefficient, or declare u real=True"):
        rlct.newton((u + v) ** 2)
    assert pair(rlct.newton(u**4 + v**6)) == pair(rlct.newton(x**4 + y**6)) == (F(5, 12), 1)
    assert pair(rlct.newton((u + v - 1) ** 2, at={u: F(1, 3), v: F(2, 3)})) == (F(1, 2), 1)
    assert pair(rlct.learning_coefficient((u + v) ** 2, at=(0, 0))) == (F(1), 1)


def test_the_certificate_can_be_checked_by_hand():
    found = rlct.newton(x**2 + y**4)
    u, weights = (
        found.certificate.optimum.weights,
        dict(zip(found.certificate.optimum.exponents, found.certificate.optimum.multipliers, strict=True)),
    )
    assert u == (F(1, 2), F(1, 4))
    assert weights == {(2, 0): F(1, 2), (0, 4): F(1, 4)}
    assert found.certificate.deciding_face == ((2, 0), (0, 4))
    assert found.certificate.polyhedron().normals == ((0, 1), (1, 0), (2, 1))


def volume_pair(kl, epsilons):
    """V(eps) of {K < eps} in the unit square by a fine logarithmic grid of both signs; slopes of log V."""
    edge = np.geomspace(1e-9, 1, 1500)
    width, middle = np.diff(edge), np.sqrt(edge[1:] * edge[:-1])
    logs = []
    for eps in epsilons:
        total = 0.0
        for sx, sy in product((1, -1), repeat=2):
            total += width @ (kl(sx * middle[:, None], sy * middle[None, :]) < eps) @ width
        logs.append(np.log(total))
    return np.diff(logs) / np.diff(np.log(epsilons))


NUMERIC = [
    (x**2 + y**4, 1),
    (x**4 + y**6, 1),
    (x**2 * y**4 + x**6, 1),
    (x**2 * y**2 + x**6 + y**10, 1),
    (x**4 + x**2 * y**2 + y**8, 1),
]


@pytest.mark.parametrize("kl", [k for k, _ in NUMERIC], ids=str)
def test_the_volume_scales_as_the_pair_says(kl):
    # V(eps) ~ c eps^λ (-log eps)^(m-1): the slope of log V is λ - (m-1)/(-log eps) + ..., on a logarithmic grid whose
    # cells have relative width 1.4 %, so that slopes over two decades are good to about 0.01.
    found = rlct.newton(kl)
    epsilons = 10.0 ** np.array([-12, -10])
    slope = volume_pair(sympy.lambdify((x, y), kl), epsilons)[0]
    middle = -np.log(epsilons).mean()
    want = float(found.rlct) - (found.multiplicity - 1) / middle
    assert abs(slope - want) < 0.02 + 0.5 * (found.multiplicity - 1) / middle


BAD = [
    (x**2 - y**2, {}, "near the point its term -y\\*\\*2 makes it negative"),
    (-(x**2), {}, "makes it negative"),
    (x**3, {}, "x\\*\\*3 makes it negative"),
    (sympy.Integer(2), {}, "got the constant 2"),
    ([x - x], {}, "got the constant 0"),
    ([], {}, "empty list"),
    (x**2 + 1, {}, "at x = 0 it is 1. Pass at= a zero of K"),
    (sympy.tanh(x) ** 2, {}, "polynomials in x; got tanh"),
    (x ** Rational(3, 2), {}, "must be polynomials"),
    (sympy.pi * x**2, {}, "may be left out"),
    (x**2, {"prior": 0}, "prior is identically zero"),
    (x**2, {"prior": -1}, "prior must be nonnegative"),
    (x**2, {"prior": 1 / x}, "power -1, and it must exceed -1"),
    (x**2, {"prior": x**y}, "must be a rational number"),
    (x**2 * y**2, {"prior": x - y}, "powers of the coordinates"),
    (x**2, {"at": {y: 1}}, "missing: \\[x\\], unknown: \\['y'\\]"),
    (x**2 * y**2, {"at": (0,)}, "must have 2 coordinates, in the order x, y; got 1"),
    (x**2, {"at": (sympy.I,)}, "must be a real point"),
    (x**2, {"at": (1,)}, "at x = 1 it is 1"),
]


@pytest.mark.parametrize(("kl", "options", "message"), BAD, ids=[m[:25] for *_, m in BAD])
def test_bad_input_is_named(kl, options, message):
    with pytest.raises(ValueError, match=message):
        rlct.newton(kl, **options)
