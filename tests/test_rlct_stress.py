"""Known pairs in changed coordinates: no answer may contradict them, and those that were bounds once stay exact."""

import random
from fractions import Fraction

import pytest
import sympy
from sympy import symbols

from slt.rlct import learning_coefficient
from slt.rlct._parse import parse
from slt.rlct._retry import attempts

x, y, z = V = symbols("x y z")
F = Fraction
H = F(1, 2)

# By hand: products of powers; half the log canonical threshold for squares of weighted homogeneous curves with an
# isolated zero; weights for sums; blocks add up.
KNOWN = {
    "A2": ([y**2 - x**3], F(5, 12), 1),
    "D5": ([x**2 * y + y**4], F(5, 16), 1),
    "E7": ([x**3 + x * y**3], F(5, 18), 1),
    "monomials": ([x**2, x * y, y**3], H, 2),
    "cusp and a plane": ([(y**2 - x**3) * z**2], F(1, 4), 1),
    "cusp and a square": ([y**2 - x**3, z], F(11, 12), 1),
    "umbrella": ([x**2 - y**2 * z], H, 2),
    "cone": ([x**2 + y**2 - z**2], H, 1),
    "three weights": ([x**2, y**3, z**4], F(13, 24), 1),
    "axes": ([x * y, y * z, x * z], F(3, 4), 1),
    "two lines": ([x * y, z], F(1), 2),
}


def changed(generators, rng):
    """The generators after a shear of second order between two unimodular linear ones."""
    variables = sorted(sympy.Tuple(*generators).free_symbols, key=str)
    images = list(variables)
    for quadratic in (False, True, False):
        i, j = rng.sample(range(len(variables)), 2)
        k = rng.choice([n for n in range(len(variables)) if n != i])
        step = variables[j] * variables[k] if quadratic else rng.choice([1, -1, 2]) * variables[j]
        images = [sympy.expand(f.subs(variables[i], variables[i] + step)) for f in images]
    return [sympy.expand(f.subs(dict(zip(variables, images, strict=True)), simultaneous=True)) for f in generators]


@pytest.mark.parametrize("name", KNOWN)
def test_no_answer_contradicts_the_known_pair(name):
    # Kills: a chart or a real point that is forgotten (too large a value), the Jacobian of a blow-up left out.
    generators, lam, m = KNOWN[name]
    rng = random.Random(name)
    for _ in range(2):
        at = dict.fromkeys(sympy.Tuple(*generators).free_symbols, 0)
        found = learning_coefficient(changed(generators, rng), at=at)
        assert found.rlct >= lam
        assert (found.status == "upper bound") or (found.rlct, found.multiplicity) == (lam, m)


ONCE_BOUNDS = [
    ((x - y * z) ** 2 + ((y - z) ** 2 - z**3) ** 2, F(11, 12), 1),
    (((x + z) ** 2 - (x**2 - x * y + 2 * x * z + x - y**2 - y * z + 2 * y + z**2 + 2 * z) ** 3) ** 2, F(5, 12), 1),
]


@pytest.mark.parametrize(("K", "lam", "m"), ONCE_BOUNDS, ids=lambda v: str(v)[:30])
def test_other_generators_and_coordinates_decide(K, lam, m):
    # The cusp's square in changed coordinates, alone and with a plane. Kills: no second attempt (a bound).
    found = learning_coefficient(K, at=dict.fromkeys(V, 0))
    assert (found.rlct, found.multiplicity, found.status) == (lam, m, "exact")


def test_the_prior_is_carried_along():
    # The new coordinates are (x + z, x, y). Kills: the prior left in the old ones.
    u, v, w = symbols("x y z", real=True)
    K, prior = ((x + z) ** 2 - y**3) ** 2, (x + 2 * y) ** 2
    ((moved, carried, _),) = attempts(parse(K, prior, (0, 0, 0)))
    back = {u: u + w, v: u, w: v}
    assert sympy.expand(carried.subs(back, simultaneous=True) - (u + 2 * v) ** 2) == 0
    assert sympy.expand(moved.subs(back, simultaneous=True) - ((u + w) ** 2 - v**3) ** 2) == 0
