"""Analytic K: every rule of `derive` against integrals of exp(-t K), and K that naive Taylor polynomials get wrong."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy
from sympy import Abs, atan, cos, cosh, exp, log, sin, sinh, sqrt, symbols, tan, tanh

from slt import rlct
from slt.rlct import blow_up, derive, learning_coefficient, resolve

a, b, c = symbols("a b c")
p, q, r = symbols("p q r", nonnegative=True)
F = Fraction


def pair(found):
    assert found.status == "exact", found
    return found.rlct, found.multiplicity


# ---- an independent oracle: Z(t) = integral of exp(-e^t K) over a box, by Gauss rules in logarithmic coordinates

TIMES = np.array([14.0, 16.0, 18.0, 20.0])


def nodes(reach, depth=24.0, panel=1.0):
    """Nodes on both sides of zero, dense near zero, with weights."""
    x, v = np.polynomial.legendre.leggauss(6)
    edges = np.linspace(-np.log(reach), depth, int(depth / panel) + 1)
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half * (x + 1)).ravel()
    w = np.exp(-u)
    return np.concatenate([w, -w]), np.tile((half * v).ravel() * w, 2)


def evidence(kl, dimension, reach):
    """log Z at TIMES for K as a NumPy function."""
    w, v = nodes(reach)
    grid = np.meshgrid(*[w] * dimension, indexing="ij")
    weights = np.prod(np.meshgrid(*[v] * dimension, indexing="ij"), 0)
    k = kl(*grid)
    return np.array([np.log((weights * np.exp(-np.exp(t) * k)).sum()) for t in TIMES])


def defect(log_z, lam, m):
    """The m-th difference of e^(lambda t) Z(t), zero for the right pair, and the (m - 1)-th, which is not."""
    z = np.exp(lam * TIMES + log_z - log_z[-1] - lam * TIMES[-1])
    return np.abs(np.diff(z, m)).max(), np.abs(np.diff(z, m - 1)).min()


# Generators or K, K in NumPy (in coordinates that suit the quadrature), the reach, the pair.
INTEGRALS = {
    "a unit in a function of one argument": ([a * tanh(b)], lambda a, b: (a * np.tanh(b)) ** 2, 0.9, F(1, 2), 2),
    "1 - exp is no unit": ([a * (1 - exp(b))], lambda a, b: (a * np.expm1(b)) ** 2, 0.9, F(1, 2), 2),
    "a double zero": ([a * (cosh(b) - 1)], lambda a, b: 4 * (a * np.sinh(b / 2) ** 2) ** 2, 0.9, F(1, 4), 1),
    "K itself": (cosh(a) - 1 + b**4, lambda a, b: 2 * np.sinh(a / 2) ** 2 + b**4, 0.9, F(3, 4), 1),
    "a function of a product": (cosh(a * b) - 1, lambda a, b: 2 * np.sinh(a * b / 2) ** 2, 0.9, F(1, 2), 2),
    "a positive exponential": (a**2 * exp(b) + b**4, lambda a, b: a**2 * np.exp(b) + b**4, 0.9, F(3, 4), 1),
    "an equation solved, b = a sin a + v": (
        [b - a * sin(a), b - a**2],
        lambda a, v: v**2 + (v - 2 * a * (a / 2 - np.sin(a) / 2)) ** 2, 0.9, F(5, 8), 1,
    ),
    "a new coordinate u = sinh a": (
        [sinh(a) ** 3 + sinh(a) * b**2],
        lambda a, b: (np.sinh(a) ** 3 + np.sinh(a) * b**2) ** 2, 0.9, F(1, 3), 1,
    ),
    "Taylor in an ideal, b = a + v": (
        [(b - log(1 + a)) ** 2, (b - a) ** 2],
        lambda a, v: (v + a - np.log1p(a)) ** 4 + v**4, 0.5, F(3, 8), 1,
    ),
    "a Taylor polynomial below a positive polyhedron": (
        exp(a**2 + b**4) - cos(a * b),
        lambda a, b: np.expm1(a**2 + b**4) + 2 * np.sin(a * b / 2) ** 2, 0.7, F(3, 4), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INTEGRALS)
def test_the_pair_is_that_of_the_integral(name):
    # Deterministic quadrature; what is left is the next pole, e^(-gap t) with t >= 14: below 0.018 in each case. A
    # lambda off by 1/12 leaves 0.047 or more, an m that is too small 0.09 or more. Kills: 1 - exp taken for a unit, a
    # zero of order 1 for one of order 2, K in place of its square root, a Taylor polynomial that is too short.
    given, kl, reach, lam, m = INTEGRALS[name]
    assert pair(learning_coefficient(given, at={v: 0 for v in (a, b)})) == (lam, m)
    log_z = evidence(kl, 2, reach)
    vanishing, leading = defect(log_z, float(lam), m)
    assert vanishing < 0.02
    assert leading > 0.08
    assert defect(log_z, float(lam) + 1 / 12, m)[0] > 0.04


# ---- where naive truncation is wrong


def naive(generators, degree):
    """Taylor polynomials up to a degree, by SymPy's own series along a ray."""
    t = sympy.Symbol("t")
    cut = lambda f: sympy.series(f.subs({a: t * a, b: t * b}, simultaneous=True), t, 0, degree + 1).removeO()  # noqa: E731
    return [sympy.expand(cut(sympy.sympify(f)).subs(t, 1)) for f in generators]


@pytest.mark.parametrize(
    ("generators", "degree", "wrong", "right"),
    [
        ([b - a * sin(a), b - a**2], 3, F(1, 2), F(5, 8)),
        ([(b - log(1 + a)) ** 2, (b - a) ** 2], 2, F(1, 4), F(3, 8)),
        ([(b - tanh(a)) ** 2, (b - a) ** 2, (b - a) ** 3], 3, F(1, 4), F(1, 3)),
    ],
    ids=str,
)
def test_a_naive_taylor_polynomial_gives_a_wrong_value(generators, degree, wrong, right):
    # The generators agree up to `degree`, and their difference decides. Kills: truncation without the certificate.
    short = naive(generators, degree)
    assert len({f for f in short if f != 0}) < len(generators)
    assert learning_coefficient(short, at={a: 0, b: 0}).rlct == wrong
    assert learning_coefficient(generators, at={a: 0, b: 0}).rlct == right


@pytest.mark.parametrize(
    "K",
    [
        2 * cosh(b - a * sin(a)) - 2 + a**10 * exp(b),  # b^2 - 2 a^2 b + a^4 + ...: degenerate face, 3/5 is the truth
        [a * b * exp(c) + a * sin(c) ** 3],  # a curve of zeros after the factor a
        cosh(a * b + a**2 * c) + exp(b**4) - 2,  # no pure power of c
    ],
    ids=str,
)
def test_what_cannot_be_proved_is_refused(K):
    # Kills: any default degree. The naive value of the first is 1/2.
    with pytest.raises(ValueError, match="could be proved"):
        derive(K)


# ---- points, domains, conventions


POINTS = [
    ([a * tanh(b) - tanh(1)], {a: 1, b: 1}, F(1, 2), 1),
    ([a * log(b)], {a: 0, b: 1}, F(1, 2), 2),
    ([a * log(b)], {a: 2, b: 1}, F(1, 2), 1),
    ([a * log(b)], {a: 0, b: 2}, F(1, 2), 1),
    ([sin(a) * sin(b)], {a: sympy.pi, b: 0}, F(1, 2), 2),
    ([exp(a) - 2 * b, (b - 1) * a], {a: sympy.log(2), b: 1}, F(1), 1),
    ([exp(a) - b, (b - 1) * a], {a: 0, b: 1}, F(3, 4), 1),
    ([a / (1 + b**2), b**2 / sqrt(1 + a)], {a: 0, b: 0}, F(3, 4), 1),
    ([atan(a) ** 2 * tan(b)], {a: 0, b: 0}, F(1, 4), 1),
]


@pytest.mark.parametrize(("K", "at", "lam", "m"), POINTS, ids=str)
def test_points(K, at, lam, m):
    # By hand: units and orders of zeros at the point. Kills: a point that is not moved, units judged at the origin.
    assert pair(learning_coefficient(K, at=at)) == (lam, m)


def test_a_half_line_is_not_a_line():
    # p >= 0. V(e) = integral of (sqrt e - b^2)_+ db = 4/3 e^(3/4) for K = (p + b^2)^2; on the line the zeros are a
    # smooth curve. Kills: a sign that is forgotten.
    assert pair(derive([p + b**2]).learning_coefficient()) == (F(3, 4), 1)
    assert pair(derive([a + b**2]).learning_coefficient()) == (F(1, 2), 1)
    assert pair(derive([p - b**2]).learning_coefficient()) == (F(1, 2), 1)
    assert pair(derive([p - q]).learning_coefficient()) == (F(1, 2), 1)
    assert pair(derive([p - q], prior=p).learning_coefficient()) == (F(1, 2), 1)
    # p (a^2 + a b + b^2) + c^4, p > 0: 1/2 from p and (a, b), 1/8 from c. On the line its zeros are smooth.
    mixed = lambda p: derive([p * a**2 + p * a * b + p * b**2 + c**4]).learning_coefficient()  # noqa: E731
    assert pair(mixed(p)) == (F(5, 8), 2)
    assert mixed(sympy.Symbol("s")).rlct <= F(1, 2)
    # Inside its range p is free.
    assert pair(derive([p - 1 + b**2], at={p: 1, b: 0}).learning_coefficient()) == (F(1, 2), 1)


def test_terms_of_one_sign_cannot_cancel():
    # Three terms p a^2: each has the pair (1/4, 1), and they add up; with signs that are free the value is at most 1/2,
    # that of a smooth point. Kills: the rule for symbols of either sign.
    found = derive([p * a**2 + q * b**2 + r * c**2 + p * q * a * b])
    assert pair(found.learning_coefficient()) == (F(3, 4), 1)
    assert "terms of one sign" in [step.name for step in found.steps]
    u, v, w = symbols("u v w")
    assert derive([u * a**2 + v * b**2 + w * c**2]).learning_coefficient().rlct <= F(1, 2)
    # a b is no smaller than a^2 + b^2: (a + b)^2 is a square, not comparable to it.
    assert pair(derive([a**2 + 2 * a * b + b**2]).learning_coefficient()) == (F(1, 4), 1)


def test_the_prior_follows():
    # Kills: a coordinate that carries a prior solved away or renamed; a prior that is moved with the wrong sign.
    assert pair(learning_coefficient([tanh(a) - b], prior=a**2, at=(0, 0))) == (F(1, 2), 1)
    assert pair(learning_coefficient([sin(a), b * exp(a)], prior=Abs(a), at=(0, 0))) == (F(3, 2), 1)
    assert pair(learning_coefficient([log(a), b], prior=Abs(a - 1), at={a: 1, b: 0})) == (F(3, 2), 1)
    assert pair(learning_coefficient([sin(a) * b], prior=Abs(a), at=(0, 0))) == (F(1, 2), 1)
    assert pair(derive([a - b**2], prior=Abs(a)).learning_coefficient()) == (F(1, 2), 1)
    # Three lines b = 0, b = ± sin a: the point has (2 + h)/6, the lines 1/2. Kills: a prior that forbids the coordinate
    # sin a, or that is lost on the way to it (1/3, 1).
    lines = [b * (b - sin(a)) * (b + sin(a))]
    for prior in (Abs(a), Abs(sin(a)), Abs(b + 2 * sin(a))):
        assert pair(learning_coefficient(lines, prior=prior, at=(0, 0))) == (F(1, 2), 2)
    with pytest.raises(ValueError, match="could be proved"):  # a - b is no multiple of sinh(a) - b
        derive([sinh(a) - b], prior=Abs(a - b))


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (exp(-1 / a**2), "a factor of the prior"),  # 0 to all orders at a = 0: the pair is that of b alone
        (log(a) ** 2, "a factor of the prior"),  # raises m
        (tan(a + sympy.pi / 2), "a factor of the prior"),  # a pole
        (sympy.Heaviside(a), "a factor of the prior"),  # a boundary
    ],
    ids=str,
)
def test_a_prior_without_a_value_at_the_point_is_no_unit(prior, message):
    # Kills: a prior's factor that is infinite or not continuous at the point taken for a unit, because it is not 0.
    with pytest.raises(ValueError, match=message):
        derive([a * tanh(b)], prior=prior)
    with pytest.raises(ValueError, match="prior"):
        learning_coefficient([a * b], prior=exp(-1 / a**2), at=(0, 0))
    assert pair(learning_coefficient([a * tanh(b)], prior=exp(-Abs(a)) * sqrt(Abs(a - 1)), at=(0, 0))) == (F(1, 2), 2)
    assert pair(learning_coefficient([a * b], prior=exp(-Abs(a)) / (1 + a**2), at=(0, 0))) == (F(1, 2), 2)


def test_polynomials_know_the_half_line_too():
    # The same pairs as through derive: V(e) for p + b^2 is above. p a^2 + q b^2 is nonnegative for p, q >= 0 only.
    # Kills: `learning_coefficient` of polynomials on the whole line whatever the symbols say; a bound for even K.
    assert pair(learning_coefficient([p + b**2], at={p: 0, b: 0})) == (F(3, 4), 1)
    assert pair(learning_coefficient([p + q], prior=p + q, at={p: 0, q: 0})) == (F(3, 2), 1)
    assert pair(learning_coefficient(p * a**2 + q * b**2, at=dict.fromkeys((p, q, a, b), 0))) == (F(1), 1)
    assert pair(learning_coefficient(p**2 * (q - b) ** 2, at={p: 1, q: 1, b: 1})) == (F(1, 2), 1)
    assert pair(learning_coefficient([p * b], prior=p)) == (F(1, 2), 1)
    assert learning_coefficient([p + b**2]).status == "upper bound"


def test_k_and_its_generators_differ_by_two():
    # Kills: the two conventions mixed up.
    assert derive(cosh(a) - 1).learning_coefficient().rlct == F(1, 2)
    assert derive([cosh(a) - 1]).learning_coefficient().rlct == F(1, 4)
    assert derive(sin(a) ** 2).learning_coefficient().rlct == F(1, 2)


def test_without_a_point_the_answer_is_a_bound():
    # exp(a) (exp(b) - 1) ... has other zeros; nothing is said about them.
    found = learning_coefficient([a * tanh(b)])
    assert (found.rlct, found.multiplicity, found.status) == (F(1, 2), None, "upper bound")
    assert pair(found.certificate) == (F(1, 2), 2)


CHAINS = [
    [a * tanh(b), b**2 * exp(a), b**3],
    [p * a**2 + q * b**2 - p * q * a * b, p * a**3],
    [sin(a) ** 2 - tan(b) ** 3, a * b * cos(a)],
]


@pytest.mark.parametrize("generators", CHAINS, ids=str)
def test_steps_that_change_no_coordinate_keep_the_sum_of_squares(generators):
    # The ratio of the sums before and after each step at points in all directions. A step that is not allowed makes it
    # grow without bound: by more than 10^4 from 0.1 to 0.001 if it is off by one power.
    steps = derive(generators).steps
    assert steps
    rng = np.random.default_rng(7)
    for step in steps:
        assert not step.name.startswith("solve")
        assert "coordinate" not in step.name
        symbols = sorted(sympy.Tuple(*step.before).free_symbols, key=str)
        before, after = (sympy.lambdify([symbols], list(f)) for f in (step.before, step.after))
        found = []
        for scale, _ in product((0.1, 0.01, 0.001), range(40)):
            w = rng.choice([-1, 1], len(symbols)) * scale ** rng.uniform(0.7, 2, len(symbols))
            w = np.where([v.is_nonnegative for v in symbols], np.abs(w), w)
            found.append(np.square(before(w)).sum() / np.square(after(w)).sum())
        assert max(found) / min(found) < 100


BAD = [
    (lambda: derive([Abs(a) * exp(b)]), "must be analytic at the point; Abs"),
    (lambda: derive([log(a) * b]), "must be analytic at the point; log"),
    (lambda: derive([sqrt(a) * b]), "must be analytic"),
    (lambda: derive([a**b - 1]), "must be analytic"),
    (lambda: derive([a / (b * exp(b))]), "must be analytic"),
    (lambda: derive([exp(a) + b]), "must vanish at the point; there .* is 1"),
    (lambda: derive([exp(a) - 1], at={b: 0}), "at must give a value to each of a; missing"),
    (lambda: derive([p + 1], at={p: -1}), "must lie in the parameter space; p is declared nonnegative, got p = -1"),
    (lambda: learning_coefficient([(p + 1) * b], at={p: -1, b: 0}), "must lie in the parameter space"),
    (lambda: derive([sympy.Symbol("n", nonpositive=True) - b**2]), "free or nonnegative; n is declared"),
    (lambda: derive(sympy.Integer(3)), "must depend on parameters"),
    (lambda: learning_coefficient(sin(a) ** 3, at=(0,)), "nonnegative"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_names_are_public():
    assert {"derive", "Derivation", "Step"} <= set(rlct.__all__)


NEGATIVE = [-(a**2) * exp(a), -(sin(a) ** 2), cos(a) - 1, -(sin(a) ** 2 + sin(b) ** 2) * exp(b), sin(a) ** 3 * exp(b)]


@pytest.mark.parametrize("K", NEGATIVE, ids=str)
def test_the_sign_of_an_analytic_k_is_kept(K):
    # Kills: a negative unit that is left out as if it were positive (an exact pair for -sin(a)**2).
    with pytest.raises(ValueError, match="K must be nonnegative"):
        learning_coefficient(K, at=dict.fromkeys(K.free_symbols, 0))


BAD = [
    (lambda: derive(None), "K must be a SymPy expression; got None"),
    (lambda: derive({1: 2}), "K must be a SymPy expression"),
    (lambda: learning_coefficient(a**2 > 0), "K must be a SymPy expression"),
    (lambda: learning_coefficient("a**2*"), "K must be a SymPy expression"),
    (lambda: derive([a], prior=None), "prior must be a SymPy expression"),
    (lambda: derive([a], at=0), "at must be a point"),
    (lambda: derive([a, b], at=(0, None)), "each coordinate of at"),
    (lambda: learning_coefficient([sympy.I * sin(a)]), "K must be real"),
    (lambda: derive([(a + b) ** 2 - (a**2 + 2 * a * b + b**2)]), "identically zero"),
    (lambda: blow_up(a**2 + b**2, None), "the centre must be at least two of the variables"),
    (lambda: resolve(a**2).poles(1.5), "count, how many poles to list, must be a whole number from 1 on; got 1.5"),
    (lambda: resolve(a**2).poles(0), "from 1 on; got 0"),
    (lambda: resolve(a**2, charts=None), "charts must be a whole number, 0 or more; got None"),
    (lambda: resolve((a + symbols("u", nonnegative=True)) ** 2), "resolve lets every symbol have both signs"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_input_is_named(call, message):
    # Kills: an AttributeError or a SympifyError from inside.
    with pytest.raises(ValueError, match=message):
        call()
