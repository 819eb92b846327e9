"""Resolution in two and three variables against a naive resolver, other coordinates, Newton polyhedra and volumes.

The naive resolver below shares no code and no idea with the library beyond the definition: it blows up points of the
plane until at most two smooth curves cross transversally, and reads λ and m off the exponents.
"""

import random
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Poly, expand, sqrt, symbols, sympify

from slt import rlct

x, y, z = symbols("x y z")
F = Fraction
NEVER = F(10**6)


def naive(kl, h=(0, 0)):
    """(λ, m) at the origin of the plane by point blow-ups alone; tangents must be rational."""
    poly = Poly(kl, x, y)
    curves = [[f, k, 0] for f, k in poly.factor_list()[1] if f.eval({x: 0, y: 0}) == 0]
    for axis, power in zip((x, y), h, strict=True):
        known = [c for c in curves if c[0].as_expr() in (axis, -axis)]
        if known:
            known[0][2] = power
        elif power:
            curves.append([Poly(axis, x, y), 0, power])
    slopes = [[f.diff(v).eval({x: 0, y: 0}) for v in (x, y)] for f, _, _ in curves]
    if all(map(any, slopes)) and (len(curves) < 2 or (len(curves) == 2 and sympy.Matrix(slopes).det())):
        ratios = [F(b + 1, k) for _, k, b in curves if k] or [NEVER]
        return min(ratios), ratios.count(min(ratios))
    order, total = min(map(sum, poly.monoms())), sum(h) + 1
    found = [(F(total + 1, order), 1)] if order else []
    directions = set()
    for f, _, _ in curves:
        lowest = min(map(sum, f.monoms()))
        form = sum(c * y ** m[1] for m, c in f.terms() if sum(m) == lowest)
        if Poly(form, y).degree():
            directions |= set(Poly(form, y).real_roots())
    for slope in directions:
        assert slope.is_rational
        found.append(naive(expand(kl.subs(y, x * (y + slope))), (total, 0 if slope else h[1])))
    found.append(naive(expand(kl.subs(x, x * y)), (h[0], total)))
    best = min(value for value, _ in found)
    return best, max(m for value, m in found if value == best)


def pair(found):
    assert found.exact, found.tree
    return found.rlct, found.multiplicity


ORIGIN2, ORIGIN3 = {x: 0, y: 0}, {x: 0, y: 0, z: 0}

# ---- the plane: cusps, tacnodes, several branches, degenerate and not, with and without a prior

PLANE = [
    ((y - x**2) ** 2, (0, 0)),
    ((y - x**2) ** 2 + x**6, (0, 0)),
    ((y - x**2 - x**3) ** 2 + x**20, (0, 0)),
    ((y - x**2) ** 2 * (y + x**2) ** 2, (0, 0)),
    ((y - x**2) ** 2 * (y - x**3) ** 4, (0, 0)),
    ((y**2 - x**3) ** 2, (0, 0)),
    ((y**2 - x**3) ** 2, (1, 0)),
    ((y**2 - x**3) ** 2, (0, 3)),
    ((y**2 - x**3) ** 2, (4, 2)),
    ((y**3 - x**4) ** 2, (0, 0)),
    ((y**2 - x**5) ** 2, (0, 1)),
    ((y**2 - x**3) ** 2 + x**8, (0, 0)),
    ((y**2 - x**3) ** 2 + x**7 * y**2, (0, 0)),
    ((y**2 - x**3) ** 4 + x**14 * y**2, (0, 0)),
    (((y - x**2) ** 2 - x**5) ** 2, (0, 0)),
    (((y**2 - x**3) ** 2 - x**7) ** 2, (0, 0)),
    (x**2 * y**2 * (x - y) ** 2, (0, 0)),
    (x**2 * y**2 * (x - y) ** 2, (2, 1)),
    (x**2 * y**4 * (x - y) ** 6, (0, 0)),
    (x**2 * (x - y) ** 2 * (x + y) ** 2 * (x + 2 * y) ** 2, (0, 0)),
    ((x**2 + y**2) ** 2, (0, 0)),
    ((x**2 + y**2) ** 2 * (x - y) ** 2, (0, 0)),
    ((x**2 + y**4) * (y**2 - x**3) ** 2, (0, 0)),
    ((x**2 + y**3) ** 2, (0, 0)),
    (x**4 + y**6, (0, 0)),
    (x**4 + y**6, (1, 2)),
    ((x + y) ** 4 + (x - y) ** 6, (0, 0)),
    ((x + y) ** 4 + (x - y) ** 6, (1, 0)),
    ((x + y) ** 2 * (x - y) ** 4, (0, 0)),
    ((x + y) ** 2 * (x - y) ** 4, (1, 1)),
    ((x * y - x**3) ** 2 + (y**2 - x**2 * y) ** 2, (0, 0)),
    ((x * y + x**3 + y**3) ** 2, (0, 0)),
    ((y**2 - x**2 - x**3) ** 2, (0, 0)),
    ((y - x) ** 2 * (1 + x) ** 2 * (1 - y) ** 4, (0, 0)),
    ((y - x + x * y) ** 2 + x**6, (0, 0)),
    ((1 + x**2) * ((y - x**2) ** 2 + x**8 * y**2), (0, 0)),
    ((y - x**2) ** 2 * (y - 2 * x**2) ** 2 + x**10, (0, 0)),
    ((y**2 - x**4) ** 2 + x**10, (0, 0)),
    ((y**2 + x**4) ** 2 + x**8 * (y + x) ** 2, (0, 0)),
]


@pytest.mark.parametrize(("kl", "h"), PLANE, ids=[f"{k} {h}" for k, h in PLANE])
def test_the_plane_agrees_with_the_naive_resolver(kl, h):
    # Kills: a chart forgotten, |J| = u^(c-1) wrong by one, the prior's power lost at a shifted point, m = 1 always.
    want = naive(expand(kl), h)
    found = rlct.resolve(kl, prior=x ** h[0] * y ** h[1], at=ORIGIN2)
    assert pair(found) == want
    front = rlct.learning_coefficient(kl, prior=x ** h[0] * y ** h[1], at=ORIGIN2)
    assert (front.rlct, front.multiplicity, front.status) == (*want, "exact")


@st.composite
def plane_curves(draw):
    a, b, c = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.sampled_from([-2, -1, 1, 3]))
    first = draw(st.sampled_from([y**a - c * x**b, y - c * x**a - x ** (b + 1), x + c * y, y**2 - x**3]))
    second = draw(st.sampled_from([sympy.Integer(1), y - x**2, x + y, y, x]))
    rest = draw(st.sampled_from([sympy.Integer(0), x**6, x**4 * y**2, (x + y) ** 4]))
    return first**2 * second ** draw(st.sampled_from([2, 4])) + rest


@given(plane_curves(), st.tuples(st.integers(0, 2), st.integers(0, 1)))
@settings(max_examples=40, deadline=None)
def test_random_curves_agree_with_the_naive_resolver(kl, h):
    try:
        want = naive(expand(kl), h)
    except AssertionError:  # an irrational tangent, which only the library can follow
        return
    assert pair(rlct.resolve(expand(kl), prior=x ** h[0] * y ** h[1], at=ORIGIN2)) == want


ALGEBRAIC = [
    # y = c x with c^2 = 2 or c^3 = 2: each real branch is followed over its number field; values by hand.
    ((y**2 - 2 * x**2) ** 2, F(1, 2), 2),
    ((y**2 - 2 * x**2) ** 2 + x**6, F(1, 2), 2),  # (u^2 + x^2) x^4: divisors 2/4 and 3/6 meet
    ((y**3 - 2 * x**3) ** 2 + x**8, F(1, 3), 1),  # the first divisor, 2/6, decides
    ((y**2 + 2 * x**2) ** 2, F(1, 2), 1),
    (((y**2 - 2 * x**2) ** 2 + x**6) ** 2, F(1, 4), 2),
    ((y**2 - 3 * x**4) ** 2 + x**10, F(3, 8), 1),
]


@pytest.mark.parametrize(("kl", "value", "m"), ALGEBRAIC, ids=[str(k) for k, *_ in ALGEBRAIC])
def test_irrational_branches(kl, value, m):
    assert pair(rlct.resolve(kl)) == (value, m)


# ---- three variables: known pairs in good coordinates, resolved in others

LINEAR = [
    {x: x + y, y: y - z, z: z},
    {x: x, y: y + x + z, z: z - x},
    {x: x + 2 * y - z, y: y + z, z: x + z},
]
CURVED = {x: x + z**2, y: y + x * z, z: z}
SPACE = [
    (x**2 + y**2 + z**2, F(3, 2), 1),
    (x**2 + y**4 + z**6, F(11, 12), 1),
    (x**2 * y**2 * z**2, F(1, 2), 3),
    (x**2 * y**4 * z**4, F(1, 4), 2),
    (x**2 * y**2 + z**2, F(1), 2),
    (x**2 * y**2 + z**4, F(3, 4), 2),
    (x**2 * y**2 + y**2 * z**2 + z**2 * x**2, F(3, 4), 1),
    (x**4 + y**2 * z**2, F(3, 4), 2),
    ((x * y - z**2) ** 2, F(1, 2), 1),
    ((x * y - z**3) ** 2, F(1, 2), 1),
    ((x**2 + y**2 - z**2) ** 2, F(1, 2), 1),
    ((x**2 + y**2 - z**3) ** 2, F(1, 2), 1),
    ((x**2 - y**2 * z) ** 2, F(1, 2), 2),
    ((x**2 + y**2 + z**2) ** 2, F(3, 4), 1),
    ((x**2 + y**3) ** 2 + z**2, F(11, 12), 1),
    ((x * y * (x - y)) ** 2 + z**2, F(5, 6), 1),
    (x**2 * y**2 * (x - y) ** 2 * z**2, F(1, 3), 1),
    (x**2 * y**2 * (x - y) ** 2 * z**6, F(1, 6), 1),
    ((x**3 + y**3 + z**3) ** 2, F(1, 2), 2),  # the cone over a smooth cubic: E, 3/6, meets the sheet, 1/2
    ((y**2 - x**3) ** 2 * z**2, F(5, 12), 1),
]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(("kl", "value", "m"), SPACE, ids=[str(k) for k, *_ in SPACE])
def test_space_does_not_depend_on_linear_coordinates(kl, value, m, number):
    # Kills: two curves of one singular factor taken for two crossing divisors ((x y - z^3)^2 would get m = 2).
    found = rlct.resolve(expand(kl.subs(LINEAR[number], simultaneous=True)))
    assert pair(found) == (value, m)


@pytest.mark.parametrize(("kl", "value", "m"), SPACE[:12], ids=[str(k) for k, *_ in SPACE[:12]])
def test_space_does_not_depend_on_curved_coordinates(kl, value, m):
    # Not every such K is finished; an unfinished one must give a bound from above and no multiplicity.
    found = rlct.resolve(expand(kl.subs(CURVED, simultaneous=True)), charts=40)
    known = (found.rlct == value, found.multiplicity == m) if found.exact else (found.rlct >= value, True)
    assert known == (True, True)


UNFINISHED = [
    ((x**2 - y**3) ** 2 + z**4, LINEAR[2], F(2, 3)),
    ((x - z**2) ** 4 - 2 * (x - z**2) ** 2 * y + y**2 + z**4, LINEAR[2], F(3, 4)),
]


@pytest.mark.parametrize(("kl", "change", "value"), UNFINISHED, ids=[str(k) for k, *_ in UNFINISHED])
def test_what_is_not_finished_is_a_bound(kl, change, value):
    found = rlct.learning_coefficient(expand(kl.subs(change, simultaneous=True)), at=ORIGIN3)
    assert (found.status, found.multiplicity) == ("upper bound", None)
    assert found.rlct >= value
    assert found.source.endswith("not finished")


RANDOM = random.Random(5)


def random_monomials():
    return sum(sympy.prod([v ** (2 * RANDOM.randrange(3)) for v in (x, y, z)]) for _ in range(RANDOM.choice([1, 2, 3])))


MONOMIALS = sorted({expand(random_monomials()) for _ in range(60)} - {sympy.Integer(k) for k in range(9)}, key=str)
MONOMIALS = [k for k in MONOMIALS if k.free_symbols == {x, y, z} and not k.subs(ORIGIN3)][:30]


@pytest.mark.parametrize("kl", MONOMIALS, ids=str)
def test_monomial_ideals_in_rotated_coordinates(kl):
    # In the given coordinates the polyhedron is exact; rotated, only shears and blow-ups can find the same pair.
    want = rlct.newton(kl)
    found = rlct.resolve(expand(kl.subs(RANDOM.choice(LINEAR), simultaneous=True)))
    assert pair(found) == (want.rlct, want.multiplicity)


HARD = [
    # curves that are no graphs on the exceptional plane, irrational points on it, curves of singularities
    ((x**2 + y**2 - z**2) ** 2 + z**6, F(2, 3), 1),
    ((x**2 + y**2 - z**2) ** 2 + x**6, F(2, 3), 2),
    ((x**2 + y**2 - 3 * z**2) ** 2 + z**6, F(2, 3), 1),
    ((x**2 - y**2 * z) ** 2 + z**6, F(7, 12), 2),
    ((x * y - z**2) ** 2 + x**8, F(9, 16), 1),
    ((z - x**2 + x * z) ** 2 + y**6, F(2, 3), 1),
]


@pytest.mark.parametrize(("kl", "value", "m"), HARD, ids=[str(k) for k, *_ in HARD])
def test_hard_surfaces(kl, value, m):
    assert pair(rlct.resolve(kl)) == (value, m)


def scaled_volumes(square, rest, value, logs):
    """V(eps) / eps^value at log(1/eps) in `logs`, V the volume of {(u^2 - A(s, t))^2 + B(s, t) < eps} near the origin.

    The fibre over (s, t) has a closed form, so a logarithmic grid in s and t, both signs of t, is all that is needed.
    """
    edge = np.geomspace(1e-12, 1, 1800)
    width, middle = np.diff(edge), np.sqrt(edge[1:] * edge[:-1])
    out = []
    for eps in np.exp(-np.array(logs)):
        total = 0.0
        for sign in (1, -1):
            a, b = square(middle[:, None], sign * middle[None, :]), rest(middle[:, None], sign * middle[None, :])
            radius = np.sqrt(np.maximum(eps - b, 0))
            high, low = np.clip(a + radius, 0, 1), np.clip(a - radius, 0, 1)
            fibre = (high - low) / np.maximum(np.sqrt(high) + np.sqrt(low), 1e-300)
            total += width @ np.where(eps > b, fibre, 0) @ width
        out.append(total * eps**-value)
    return np.array(out)


VOLUMES = [
    # K, A, B with K = (u^2 - A)^2 + B
    ((x**2 + y**2 - z**2) ** 2 + z**6, lambda s, t: t**2 - s**2, lambda s, t: t**6 + 0 * s),
    ((x**2 + y**2 - z**2) ** 2 + x**6, lambda s, t: t**2 - s**2, lambda s, t: s**6 + 0 * t),
    ((x**2 - y**2 * z) ** 2 + z**6, lambda s, t: s**2 * t, lambda s, t: t**6 + 0 * s),
    ((x**2 - y * z) ** 2 + y**8, lambda s, t: s * t, lambda s, t: s**8 + 0 * t),
]


@pytest.mark.parametrize(("kl", "square", "rest"), VOLUMES, ids=[str(k) for k, *_ in VOLUMES])
def test_hard_surfaces_scale_as_the_pair_says(kl, square, rest):
    # V / eps^λ tends to a constant for m = 1 and grows linearly in log(1/eps) for m = 2: the quotient of its values at
    # log(1/eps) = 24 and 12 is then near 1, or (24 + c)/(12 + c) with c of order one. Seen: 1.10, 1.60, 1.68, 1.05.
    # A λ off by 1/48 moves the quotient by a factor exp(12/48) = 1.28, and m by one by the second quotient.
    value, m = pair(rlct.resolve(kl))
    early, late = scaled_volumes(square, rest, float(value), (12, 24))
    low, high = ((0.95, 1.15), (1.35, 1.9))[m - 1]
    assert low < late / early < high


# ---- other points, units, irrational points


@pytest.mark.parametrize(
    ("kl", "at", "value", "m"),
    [
        ((x - 1) ** 2 * (x**2 + y**2) ** 4, {x: 0, y: 0}, F(1, 4), 1),
        ((x - 1) ** 2 * (x**2 + y**2) ** 4, {x: 1, y: 5}, F(1, 2), 1),
        ((x**2 + y**2 - 1) ** 2 * (x - 1) ** 2, {x: 1, y: 0}, F(3, 8), 1),
        ((x**2 - 2) ** 2 * (y - x) ** 2, {x: sqrt(2), y: sqrt(2)}, F(1, 2), 2),
        ((x**2 - 2) ** 2 * (y - x) ** 4, {x: sqrt(2), y: 0}, F(1, 2), 1),
        ((x**2 + y**2 + z**2 - 1) ** 2, {x: 1, y: 0, z: 0}, F(1, 2), 1),
        ((x**2 - y**2 * z) ** 2, {x: 0, y: 0, z: 1}, F(1, 2), 2),
        ((x**2 - y**2 * z) ** 2, {x: 0, y: 0, z: -1}, F(1, 2), 1),
        ((x**2 - y**2 * z) ** 2, {x: 2, y: 1, z: 4}, F(1, 2), 1),
    ],
)
def test_other_points(kl, at, value, m):
    assert pair(rlct.resolve(kl, at=at)) == (value, m)


# ---- one blow-up, the tree, poles, budget


def test_the_charts_of_one_blow_up():
    first, second = rlct.blow_up((y**2 - x**3) ** 2, [x, y], prior=y**2)
    assert first.substitution == {x: x, y: x * y}
    assert expand(first.kl - ((y**2 - x**3) ** 2).subs(y, x * y)) == 0
    assert (first.jacobian, first.k, first.h) == (x, 4, 3)
    assert (second.jacobian, second.k, second.h, second.pole) == (y, 4, 3, -1)
    assert [c.h for c in rlct.blow_up(x**2 + y**2 + z**4, [x, y, z])] == [2, 2, 2]
    assert [c.h for c in rlct.blow_up(x**2 + y**2 + z**4, ["x", "y"])] == [1, 1]
    with pytest.raises(ValueError, match="at least two of the variables x, y; got \\['x', 'w'\\]"):
        rlct.blow_up(x**2 + y**2, [x, symbols("w")])


def test_poles_of_a_cusp_and_of_a_crossing():
    # int |y^2 - x^3|^(2 z): candidates -(5 + n)/12 of the divisor, -(1 + n)/2 of the curve.
    cusp = rlct.resolve((y**2 - x**3) ** 2)
    assert cusp.poles(2) == (F(-5, 12), F(-1, 2))
    assert rlct.resolve(x**2 * y**2).poles(3) == (F(-1, 2), F(-1), F(-3, 2))


def sympify_products(text):
    return sympify(text.replace("^", "**").replace(" + ", "+").replace(" - ", "-").replace(" ", "*"))


def test_the_tree_shows_what_decides():
    found = rlct.resolve((y**2 - x**3) ** 2 + x**8)
    decides = found.deciding()
    assert (decides.rlct, decides.multiplicity) == (found.rlct, found.multiplicity)
    assert not decides.children
    text = repr(found.tree)
    assert "blow-up of x, y = 0" in text
    assert text.count("\n") == sum(1 for _ in found.tree.walk()) - 1
    # Each row with nothing below it can be checked as it is printed. Kills: K∘g of the row above, the prior without the
    # Jacobian or without the given prior, powers of factors left out.
    leaves = 0
    for node in (n for _, n in rlct.resolve((y**2 - x**3) ** 2 + x**8, prior=Abs(x)).tree.walk() if not n.children):
        products = repr(node).removeprefix(f"{node.label}: ({node.rlct}, {node.multiplicity}); {node.method}; ")
        kl, prior = (sympify_products(half.partition(" = ")[2]) for half in products.split(";  "))
        again = rlct.newton(kl, prior=Abs(prior))
        assert (again.rlct, again.multiplicity, node.exact) == (node.rlct, node.multiplicity, True), node.label
        leaves += 1
    assert leaves == 10


def test_a_spent_budget_gives_a_bound_and_no_hang():
    found = rlct.resolve((x**2 + y**2 - z**2) ** 2 + z**6, charts=0)
    assert not found.exact
    assert found.multiplicity is None
    assert found.rlct >= F(2, 3)
    assert "budget" in repr(found.tree)
