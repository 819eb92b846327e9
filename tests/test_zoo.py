"""Every triple of the zoo: it can be drawn from and evaluated, and its (lambda, m) is what quadrature finds.

The oracle. With K(w) from the triple's own densities, Z(t) = integral of exp(-e^t K) times the prior. If lambda and m
are right, R(t) = e^(lambda t) Z(t) is a polynomial of degree m - 1 in t plus terms e^(-gap t) from the next poles: its
m-th difference vanishes and its (m - 1)-th does not. K is an average of f + e^(-f) - 1 with f = log q/p, which equals
the average of f since p has mass 1, is never negative, and keeps its digits where f is small.
"""

from fractions import Fraction
from itertools import pairwise, product

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.special import gammaln, roots_hermitenorm

import slt
from slt import rlct, zoo
from slt.triple import draw_data, draw_prior, empirical_entropy, log_density, log_prior

NAMES = [name for name in zoo.__all__ if name not in ("Specimen", "specimens")]
VARIANTS = [(name, {}) for name in NAMES] + [
    ("normal", {"realizable": False}),
    ("linear_regression", {"realizable": False}),
    ("polynomial_regression", {"degree": 1, "true_degree": 4}),
    ("logistic_regression", {"realizable": False}),
    ("poisson_regression", {"realizable": False}),
    ("multinomial", {"probabilities": (0.0, 0.25, 0.75), "concentration": 0.5}),
    ("monomial", {"powers": (1, 2), "prior_powers": (0, 1)}),
    ("monomial", {"powers": (3, 2), "mean": -0.5}),
    ("monomial", {"powers": (2, 2), "mean": -0.5}),
    ("normal_mixture", {"components": 4, "true_components": 2, "dimension": 2}),
    ("normal_mixture", {"true_components": 3}),
    ("binomial_mixture", {"trials": 1}),
    ("naive_bayes", {"features": 4, "dependent": 3}),
    ("latent_class", {"classes": 2, "true_classes": 3}),
    ("tanh_network", {"hidden": 1, "true_hidden": 2}),
    ("relu_network", {"hidden": 3, "true_hidden": 2}),
    ("relu_network", {"bias": True, "true_hidden": 1}),
    ("reduced_rank", {"inputs": 2, "hidden": 3, "outputs": 4, "rank": 2}),
    ("reduced_rank", {"rank": 3}),
    ("factor_analysis", {"variables": 5, "factors": 2, "true_factors": 1}),
    ("factor_analysis", {"factors": 1, "true_factors": 2}),
]

UNKNOWN = [
    ("eight_schools", {}),
    ("normal_mixture", {"true_components": 3}),
    ("latent_class", {"classes": 2, "true_classes": 3}),
    ("tanh_network", {"hidden": 1, "true_hidden": 2}),
    ("relu_network", {"bias": True, "true_hidden": 1}),
    ("factor_analysis", {"factors": 1, "true_factors": 2}),
]


def build(name, options):
    return getattr(zoo, name)(**options)


@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(*v, marks=[pytest.mark.slow] if v[1] else []) for v in VARIANTS],  # a compilation for each
    ids=str,
)
def test_data_can_be_drawn_and_evaluated(name, options, key):
    # Kills: observations of the wrong event shape, a prior that leaves the model's range, a model that is not the truth
    # at the optimum (swapped weights, a truth with one unit more), a value for a truth outside the model.
    specimen = build(name, options)
    triple, n = specimen.triple, 8 if specimen.data else 6

    @jax.jit
    def run(key):
        data = draw_data(key, triple, n)
        w = {k: v[0] for k, v in draw_prior(key, triple, 1).items()}
        truth = -empirical_entropy(triple, *data)
        known = specimen.realizable and specimen.optimum is not None
        best = log_density(triple, specimen.optimum, *data) if known else truth
        return data, w, log_density(triple, w, *data), log_prior(triple, w), truth, best

    data, w, found, prior, truth, best = run(key)
    assert {len(a) for a in data} == {n}
    assert found.shape == truth.shape == (n,)
    assert np.isfinite(found).all()
    assert np.isfinite(prior)
    np.testing.assert_allclose(best, truth, rtol=1e-12, atol=1e-12)
    assert (specimen.coefficient is None) == specimen.source.startswith("unknown") == ((name, options) in UNKNOWN)
    with numpyro.validation_enabled():  # checks the parameters of the distribution that the model makes of w
        triple.model(*[a[0] for a in data[:-1]], **w)
    assert "Specimen(" in repr(specimen)


def test_all_members_are_listed():
    # Kills: a member that `specimens` forgets.
    assert list(zoo.specimens()) == NAMES == sorted(NAMES)
    assert len(NAMES) == 21
    assert {n for n, s in zoo.specimens().items() if s.triple.conditional} == {
        "deep_linear", "eight_schools", "linear_regression", "logistic_regression", "poisson_regression",
        "polynomial_regression", "reduced_rank", "relu_network", "tanh_network", "tanh_unit",
    }  # fmt: skip


PAIRS = [
    (zoo.normal_mixture(components=4, true_components=2), rlct.mixture(4, 2)),
    (zoo.normal_mixture(components=3, dimension=2), rlct.mixture(3, 1, dimension=2)),
    (zoo.normal_mixture(components=3, concentration=0.25), rlct.mixture(3, 1, concentration=Fraction(1, 4))),
    (zoo.poisson_mixture(components=3, concentration=0.25), rlct.mixture(3, 1, concentration=Fraction(1, 4))),
    (zoo.binomial_mixture(components=3, trials=2), rlct.multinomial_mixture(3, 1, trials=2)),
    (zoo.binomial_mixture(components=3, true_components=2, trials=3), rlct.multinomial_mixture(3, 2, trials=3)),
    (
        zoo.binomial_mixture(components=3, concentration=0.25),
        rlct.multinomial_mixture(3, 1, trials=4, concentration=Fraction(1, 4)),
    ),
    (zoo.naive_bayes(features=5, dependent=2), rlct.naive_bayes([2] * 5, dependent=2)),
    (zoo.naive_bayes(features=5, concentration=0.5), rlct.naive_bayes([2] * 5, concentration=Fraction(1, 2))),
    (zoo.latent_class(features=6, classes=4, true_classes=2), rlct.latent_class([2] * 6, 4, 2)),
    (
        zoo.latent_class(features=6, classes=4, concentration=0.25),
        rlct.latent_class([2] * 6, 4, 1, concentration=Fraction(1, 4)),
    ),
    (zoo.tanh_network(hidden=5, true_hidden=2), rlct.three_layer(5, true_hidden=2)),
    (zoo.reduced_rank(inputs=5, hidden=3, outputs=4, rank=2), rlct.reduced_rank(5, 3, 4, 2)),
    (zoo.deep_linear(widths=(3, 2, 4), rank=1), rlct.deep_linear([3, 2, 4], 1)),
    (zoo.factor_analysis(variables=6, factors=2, true_factors=1), rlct.factor_analysis(6, 2, 1)),
    (zoo.monomial(powers=(2, 1), prior_powers=(1, 0)), rlct.normal_crossing([2, 1], [1, 0])),
]


@pytest.mark.parametrize(("specimen", "pair"), PAIRS, ids=lambda v: "")
def test_the_coefficient_is_the_familys(specimen, pair):
    # Kills: sizes of another order (but for inputs and outputs, which may be swapped), the concentration, the dimension
    # or the number of trials not handed on.
    assert specimen.coefficient == pair


def gauss(distribution, count):
    """Nodes and weights of a Gauss rule, or the support, for a scalar distribution or a product of them."""
    kind = type(distribution).__name__
    if kind == "Normal":
        x, weights = roots_hermitenorm(count)
        return float(distribution.loc) + float(distribution.scale) * x, weights / weights.sum()
    if kind == "Uniform":
        x, weights = np.polynomial.legendre.leggauss(count)
        middle, half = (distribution.high + distribution.low) / 2, (distribution.high - distribution.low) / 2
        return float(middle) + float(half) * x, weights / 2
    if kind in ("CategoricalProbs", "CategoricalLogits", "BernoulliProbs", "BernoulliLogits"):
        x = np.asarray(distribution.enumerate_support())
    elif kind in ("Poisson", "MixtureSameFamily") and distribution.support is dist.constraints.nonnegative_integer:
        x = np.arange(40)
    elif kind == "MixtureSameFamily":  # of normal distributions around the origin
        x, weights = np.polynomial.legendre.leggauss(60)
        x = 9 * x
        return x, 9 * weights * np.exp(np.asarray(distribution.log_prob(x)))
    elif kind in ("MultivariateNormal", "Autoregression"):
        z, weights = roots_hermitenorm(count)
        z = np.stack([a.ravel() for a in np.meshgrid(*[z] * distribution.event_shape[0])], 1)
        weights = np.prod(np.meshgrid(*[weights / weights.sum()] * distribution.event_shape[0]), 0).ravel()
        return np.asarray(distribution.mean) + z @ np.linalg.cholesky(distribution.covariance_matrix).T, weights
    return x, np.exp(np.asarray(distribution.log_prob(x)))


def expectation(triple, count=12):
    """Data and weights that stand for the truth."""
    if not triple.conditional:
        x, weights = gauss(triple.truth, count)
        return (jnp.asarray(x),), jnp.asarray(weights)
    inputs, out = triple.inputs, []
    if inputs.event_shape:  # of one number each
        assert inputs.event_shape == (1,)
        inputs = inputs.base_dist.base_dist
    for x, weight in zip(*gauss(inputs, count), strict=True):
        x = np.full(triple.inputs.event_shape, x)
        truth = triple.truth(x)
        if truth.event_shape:
            y, weights = gauss(dist.Normal(truth.base_dist.loc[0], 1.0), count)
            y = y[:, None]
        else:
            y, weights = gauss(truth, count)
        out += [(x, b, weight * c) for b, c in zip(y, weights, strict=True)]
    x, y, weights = (jnp.asarray(np.stack(a)) for a in zip(*out, strict=True))
    return (x, y), weights


def divergence(specimen, count=12):
    """w -> K(w), to nearly all digits where it is small."""
    data, weights = expectation(specimen.triple, count)
    if specimen.realizable:
        at = -empirical_entropy(specimen.triple, *data)
        excess = lambda f: f + jnp.expm1(-f)  # noqa: E731
    else:
        at = log_density(specimen.triple, specimen.optimum, *data)
        excess = lambda f: f  # noqa: E731
    return lambda w: weights @ excess(at - log_density(specimen.triple, w, *data))


DEPTH, NODES = 26.0, np.polynomial.legendre.leggauss(8)
TIMES = np.array([20.0, 23.0, 26.0, 29.0])


def side(sign, reach, panel=2.0):
    """Nodes v = sign e^(-u), u from -log reach to DEPTH, and the logarithms of their weights."""
    low = -np.log(reach)
    edges = np.linspace(low, DEPTH, int(np.ceil((DEPTH - low) / panel)) + 1)
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half * (NODES[0] + 1)).ravel()
    return sign * np.exp(-u), np.log(half * NODES[1]).ravel() - u


def evidence(specimen, sides, place, count=12, panel=2.0):
    """log Z(t) at TIMES; `place` takes the coordinates v to (w, log Jacobian)."""
    kl, total = divergence(specimen, count), []

    def at_node(v):
        w, jacobian = place(v)
        return kl(w), log_prior(specimen.triple, w) + jacobian

    sweep = jax.jit(lambda v: jax.lax.map(at_node, v, batch_size=20_000))
    for choice in product(*sides):
        axes = [side(*s, panel) for s in choice]
        v = np.stack([a.ravel() for a in np.meshgrid(*[a for a, _ in axes], indexing="ij")], 1)
        log_volume = np.sum(np.meshgrid(*[b for _, b in axes], indexing="ij"), 0).ravel()
        k, log_mass = map(np.asarray, sweep(v))
        total.append([np.logaddexp.reduce(log_mass + log_volume - np.exp(t) * k) for t in TIMES])
    return np.logaddexp.reduce(np.array(total), 0)


def around(optimum):
    """Coordinates v = w - optimum, for parameters of one number each."""
    names = list(optimum)

    def place(v):
        return {k: jnp.reshape(v[j], jnp.shape(optimum[k])) + optimum[k] for j, k in enumerate(names)}, 0.0

    return place


def on_hyperbola(first, second):
    """v = (w1, w1 w2 - 1)."""

    def place(v):
        shape = {"A": (1, 1), "B": (1, 1)}.get(first, (1,))
        return {first: jnp.full(shape, v[0]), second: jnp.full(shape, (1 + v[1]) / v[0])}, -jnp.log(v[0])

    return place


def two_components(location, at):
    """v = (weight of the second component, mean - truth, distance of the two)."""

    def place(v):
        a, mean, apart = v
        w = {"weights": jnp.stack([1 - a, a]), location: at + mean + apart * jnp.stack([-a, 1 - a])}
        return w, 0.0

    return place


BOTH, UNIT = [(1, 2.0), (-1, 2.0)], [(1, 1.0), (-1, 1.0)]
HALF_LINE = [(1, 1.0)]
W3 = dict.fromkeys(("W1", "W2", "W3"), np.zeros((1, 1)))
AB = {"A": np.zeros((1, 1)), "B": np.zeros((1, 1))}
VECTORS = {"a": np.zeros(1), "b": np.zeros(1)}
TANH, MIX = {"a": 1.0, "b": 1.0}, {"a": 0.4, "b": 1.5}
NEAR = [(1, 0.3), (-1, 0.3)]
# Specimen, sides of each coordinate (sign and reach), place, the gap to the next pole where it is small, expected pair.
CASES = {
    "normal": (zoo.normal(), [NEAR, NEAR], around({"mu": 0.0, "sigma": 1.0}), None, "1", 1),
    "autoregression": (zoo.autoregression(length=2), [NEAR], around({"a": 0.5}), None, "1/2", 1),
    "autoregression of truth zero": (zoo.autoregression(length=2, truth=0), [NEAR], around({"a": 0.0}), None, "1/2", 1),
    "logistic": (zoo.logistic_regression(), [NEAR, NEAR], around({"a": 1.0, "b": -0.5}), None, "1", 1),
    "Poisson": (zoo.poisson_regression(), [NEAR, NEAR], around({"a": 1.0, "b": 0.5}), None, "1", 1),
    "tanh of truth zero": (zoo.tanh_unit(), [BOTH, BOTH], around({"a": 0.0, "b": 0.0}), None, "1/2", 2),
    "tanh": (zoo.tanh_unit(**TANH), [NEAR, NEAR], around(TANH), None, "1", 1),
    "ReLU of truth zero": (zoo.relu_network(hidden=1), [BOTH, BOTH], around(VECTORS), None, "1/2", 2),
    "ReLU": (zoo.relu_network(hidden=1, true_hidden=1), [[(1, 2.0)], NEAR], on_hyperbola("b", "a"), None, "1/2", 1),
    "product": (zoo.reduced_rank(inputs=1, hidden=1, outputs=1, rank=0), [BOTH, BOTH], around(AB), None, "1/2", 2),
    "product one": (
        zoo.reduced_rank(inputs=1, hidden=1, outputs=1), [[(1, 2.0)], NEAR], on_hyperbola("A", "B"), None, "1/2", 1
    ),
    "three factors": (zoo.deep_linear(widths=(1, 1, 1, 1)), [[(1, 2.0)]] * 3, around(W3), None, "1/2", 3),
    "two-parameter mixture": (
        zoo.two_parameter_mixture(), [HALF_LINE, [(1, 3.0), (-1, 3.0)]], around({"a": 0.0, "b": 0.0}), None, "1/2", 2
    ),
    "two-parameter mixture apart": (zoo.two_parameter_mixture(**MIX), [NEAR, NEAR], around(MIX), None, "1", 1),
    "normal mixture": (
        zoo.normal_mixture(), [[(1, 0.5)], UNIT, [(1, 3.0), (-1, 3.0)]], two_components("means", 0.0), 0.25, "3/4", 1
    ),
    "Poisson mixture": (
        zoo.poisson_mixture(), [[(1, 0.5)], NEAR, [(1, 1.5), (-1, 1.5)]], two_components("rates", 2.0), 0.25, "3/4", 1
    ),
    "binomial mixture": (
        zoo.binomial_mixture(trials=2), [[(1, 0.5)], [(1, 0.05)], [(1, 0.4), (-1, 0.4)]],
        two_components("probabilities", 0.5), 0.25, "3/4", 1,
    ),
    "binomial mixture, Dirichlet exponent 1/2": (
        zoo.binomial_mixture(trials=2, concentration=0.5), [[(1, 0.5)], [(1, 0.05)], [(1, 0.4), (-1, 0.4)]],
        two_components("probabilities", 0.5), None, "3/4", 2,
    ),
    "w^2": (zoo.monomial(), [UNIT], around({"w": 0.0}), None, "1/4", 1),
    "w^3": (zoo.monomial(powers=(3,)), [UNIT], around({"w": 0.0}), None, "1/6", 1),
    "w^2, vanishing prior": (
        zoo.monomial(powers=(2,), prior_powers=(1,)), [HALF_LINE], around({"w": 0.0}), None, "1/2", 1
    ),
    "w1^2 w2": (
        zoo.monomial(powers=(2, 1)), [UNIT, UNIT], around({"w1": 0.0, "w2": 0.0}), 0.25, "1/4", 1
    ),
    "w1^2 w2, vanishing prior": (
        zoo.monomial(powers=(2, 1), prior_powers=(1, 0)), [HALF_LINE, UNIT], around({"w1": 0.0, "w2": 0.0}), None,
        "1/2", 2,
    ),
    "w^2, truth -1/2": (zoo.monomial(powers=(2,), mean=-0.5), [UNIT], around({"w": 0.0}), None, "1/2", 1),
    "w^2, truth 1/4": (zoo.monomial(powers=(2,), mean=0.25), [NEAR], around({"w": 0.5}), None, "1/2", 1),
    "w1^2 w2^2, truth -1/2": (
        zoo.monomial(powers=(2, 2), mean=-0.5), [UNIT, UNIT], around({"w1": 0.0, "w2": 0.0}), None, "1/2", 2
    ),
}  # fmt: skip


def differences(log_z, lam, m, gap):
    """The (m - 1)-th and the m-th difference of e^(lambda t) Z(t), relative to its values."""
    r = np.exp(lam * TIMES + log_z - log_z[-1] - lam * TIMES[-1])
    if gap is not None:  # removes the term e^(-gap t)
        r = r[1:] - np.exp(-gap * 3.0) * r[:-1]
        r = r / r[-1]
    return np.abs(np.diff(r, m - 1)).min(), np.abs(np.diff(r, m)).max()


@pytest.mark.parametrize("case", CASES)
def test_small_specimens_by_quadrature(case):
    # Tolerance: the next poles lie at a gap of 1/2 or more (else the case names the gap, and that term is removed), so
    # R(t) departs from its polynomial by C e^(-10); quadrature adds up to 0.5 %. A lambda off by 1/100 makes the
    # m-th difference exceed the tolerance (asserted below); with m one too large the (m - 1)-th vanishes.
    specimen, sides, place, gap, lam, m = CASES[case]
    assert (specimen.coefficient.rlct, specimen.coefficient.multiplicity) == (Fraction(lam), m)
    assert specimen.coefficient.status == "exact"
    log_z = evidence(
        specimen,
        sides,
        place,
        panel=2.5 if case in ("normal mixture", "Poisson mixture") else 1.0 if len(sides) == 1 else 2.0,
    )
    last, none = differences(log_z, float(Fraction(lam)), m, gap)
    assert none < 1e-2 * last
    assert last > 1e-2
    for wrong in (-0.01, 0.01):
        assert differences(log_z, float(Fraction(lam)) + wrong, m, gap)[1] > 1e-2 * last


def linear_in_a(specimen, x, weights, b, later):
    """log of the integral over a, with its N(0, 4 I) prior, of exp(-e^t K), where K = a.G a / 2 for truth zero."""
    mean = lambda a, x: specimen.triple.model(x, a=a, b=b).mean  # noqa: E731
    features = jax.vmap(jax.jacobian(mean), (None, 0))(jnp.zeros(2), x)
    (p, r), (_, s) = (features.T * weights) @ features
    beta = jnp.exp(TIMES + later)
    return -0.5 * jnp.log(1 + 4 * beta * (p + s) + 16 * beta**2 * jnp.maximum(p * s - r * r, 0))


NETWORKS = [
    (zoo.relu_network(), (1, -1), "1/2", 1, 0.0),
    (zoo.tanh_network(), (1,), "2/3", 1, 10.0),  # the next pole: t e^(-t/3)
]


@pytest.mark.parametrize(("specimen", "signs", "lam", "m", "later"), NETWORKS, ids=["relu", "tanh"])
def test_two_unit_networks_by_quadrature(specimen, signs, lam, m, later):
    # a is integrated out exactly; b1 = +-s, b2 = s y/(1 + y), with log s and log y on a grid; the rest by symmetry.
    # Kills: lambda of a ReLU network that grows with its width (1), m = 2 at two units, 3/4 (Q = 1) for tanh.
    assert (specimen.coefficient.rlct, specimen.coefficient.multiplicity) == (Fraction(lam), m)
    u, y = np.linspace(-2.5, 24, 160), np.linspace(-24, 24, 193)
    x, weights = map(jnp.asarray, gauss(dist.Normal(0.0, 1.0), 12))
    grid = np.stack([a.ravel() for a in np.meshgrid(u, y, indexing="ij")], 1)

    def at_node(v):
        s, ratio = jnp.exp(-v[0]), jax.nn.sigmoid(v[1])
        mass = -2 * v[0] + jax.nn.log_sigmoid(v[1]) + jax.nn.log_sigmoid(-v[1]) - (s**2 + (s * ratio) ** 2) / 8
        return [linear_in_a(specimen, x, weights, jnp.stack([s, sign * s * ratio]), later) + mass for sign in signs]

    found = np.concatenate(jax.jit(lambda v: jax.lax.map(at_node, v, batch_size=4000))(grid))
    log_z = np.logaddexp.reduce(found, 0)
    _, none = differences(log_z, float(Fraction(lam)), m, None)
    assert none < 1e-2


def test_relu_networks_with_a_true_unit():
    # A side of zero with a true unit is one equation with a non-zero gradient: the Hessian of K at the optimum has rank
    # 2 lambda. Kills: 1/2 for two sides, 1 for one side.
    for r in (1, 2):
        specimen = zoo.relu_network(true_hidden=r)
        assert 2 * specimen.coefficient.rlct == r == hessian_rank(specimen)
        assert specimen.coefficient.multiplicity == 1


def flat(specimen):
    """The optimum as one vector, and the way back."""
    return jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, dict(specimen.optimum)))


def hessian_rank(specimen, count=6):
    """Rank of the Hessian of K at the optimum, where the gradient must vanish."""
    data, weights = expectation(specimen.triple, count)
    at, back = flat(specimen)
    loss = lambda v: -weights @ log_density(specimen.triple, back(v), *data)  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(at), 0, atol=1e-6)
    values = np.linalg.eigvalsh(jax.jit(jax.hessian(loss))(at))
    assert values.min() > -1e-6 * values.max()
    return int((values > 1e-6 * values.max()).sum())


REGULAR = [
    (zoo.linear_regression(), 2),
    (zoo.linear_regression(realizable=False), 2),
    (zoo.polynomial_regression(degree=3), 4),
    (zoo.polynomial_regression(degree=1, true_degree=4), 2),
    (zoo.logistic_regression(), 2),
    (zoo.poisson_regression(), 2),
    (zoo.normal(), 2),
    (zoo.autoregression(length=3, truth=0.0), 1),
    (zoo.tanh_unit(a=0.5, b=2.0), 2),
]


@pytest.mark.parametrize(("specimen", "d"), REGULAR)
def test_regular_specimens_have_a_full_hessian(specimen, d):
    # For regressions L is convex, so this minimum is the only one; for the tanh unit there are two, +-(a, b).
    # Kills: d of another model, an optimum that is none (the projection of an unrealizable truth).
    assert specimen.dimension == d == hessian_rank(specimen)
    assert (specimen.coefficient.rlct, specimen.coefficient.multiplicity) == (Fraction(d, 2), 1)


def test_regular_specimens_without_a_gauss_rule():
    # Student's t has moments, so the loss of the normal model is log sigma + (5/4 + mu^2) / (2 sigma^2); logistic and
    # Poisson regression with a truth outside: convex, so a zero of the gradient is the optimum.
    specimen = zoo.normal(realizable=False)
    assert not specimen.realizable
    loss = lambda v: jnp.log(v[1]) + (specimen.triple.truth.variance + v[0] ** 2) / (2 * v[1] ** 2)  # noqa: E731
    at = jnp.array([specimen.optimum["mu"], specimen.optimum["sigma"]])
    np.testing.assert_allclose(jax.grad(loss)(at), 0, atol=1e-12)
    assert np.linalg.eigvalsh(jax.hessian(loss)(at)).min() > 0.1
    for specimen in (zoo.logistic_regression(realizable=False), zoo.poisson_regression(realizable=False)):
        assert not specimen.realizable
        data, weights = expectation(specimen.triple)

        def loss(v, s=specimen, d=data, q=weights):
            return -q @ log_density(s.triple, {"a": v[0], "b": v[1]}, *d)

        slope, curvature, v = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss)), jnp.zeros(2)
        for _ in range(20):
            v = v - jnp.linalg.solve(curvature(v), slope(v))
        np.testing.assert_allclose(slope(v), 0, atol=1e-12)
        assert np.linalg.eigvalsh(curvature(v)).min() > 0.05
        assert specimen.coefficient.rlct == 1


@pytest.mark.parametrize(
    "options",
    [
        {"inputs": 2, "hidden": 1, "outputs": 4, "rank": 2},
        {"inputs": 4, "hidden": 2, "outputs": 3, "rank": 3},
    ],
)
def test_reduced_rank_regression_with_too_few_units(options):
    # With x ~ N(0, I), L = |BA - C|^2 / 2. Kills: an optimum that keeps the smallest singular values; lambda of the
    # true rank, or H (M + N - H) without the half.
    specimen = zoo.reduced_rank(**options)
    m, h, n = options["inputs"], options["hidden"], options["outputs"]
    at, back = flat(specimen)
    c = jnp.stack([specimen.triple.truth(e).base_dist.loc for e in np.eye(m)], 1)
    loss = lambda v: ((back(v)["B"] @ back(v)["A"] - c) ** 2).sum() / 2  # noqa: E731
    singular = np.linalg.svd(np.asarray(c))[1]
    np.testing.assert_allclose(loss(at), (singular[h:] ** 2).sum() / 2, rtol=1e-12)  # Eckart and Young
    assert singular[h - 1] - singular[h] > 0.5
    values = np.linalg.eigvalsh(jax.jit(jax.hessian(loss))(at))
    assert values.min() > -1e-9
    assert (values > 1e-6).sum() == h * (m + n - h) == 2 * specimen.coefficient.rlct
    assert not specimen.realizable


@pytest.mark.parametrize(
    ("q", "phi", "lam"), [((0.2, 0.3, 0.5), 1, 1.0), ((0, 0.25, 0.75), 1, 1.5), ((0, 0, 0.25, 0.75), 0.3, 1.1)]
)
def test_multinomial_by_its_closed_form(q, phi, lam):
    # Z(t), t = 12 to 21, is a Dirichlet integral. Corrections to e^(lambda t) Z are C e^-t, below 1e-5 here.
    # Kills: (K - 1)/2 for a truth with empty categories, phi/2 in place of phi.
    specimen = zoo.multinomial(probabilities=q, concentration=phi)
    n, q = np.exp(TIMES[:, None] - 8), np.array(q)
    log_z = gammaln(phi + n * q).sum(1) - gammaln((phi + n * q).sum(1)) - n[:, 0] * (q[q > 0] @ np.log(q[q > 0]))
    np.testing.assert_allclose(np.diff(log_z), -3 * lam, rtol=1e-4)
    assert float(specimen.coefficient.rlct) == pytest.approx(lam)
    assert specimen.coefficient.multiplicity == 1


def test_autoregression_is_the_stationary_process():
    # Kills: 1 + a^2 at the ends of the precision, a missing factor 1/(1 - a^2).
    covariance = 0.5 ** np.abs(np.subtract.outer(np.arange(4), np.arange(4))) / (1 - 0.25)
    np.testing.assert_allclose(zoo.autoregression().triple.truth.covariance_matrix, covariance, rtol=1e-12)


def test_a_series_has_the_likelihood_of_its_covariance(key):
    # Kills: the first value with variance 1, log(1 - a^2) once for each step, the conditional likelihood.
    triple = zoo.autoregression(length=6, truth=-0.7).triple
    x = np.random.default_rng(3).normal(size=(5, 6))
    for a in (-0.7, 0.2):
        covariance = a ** np.abs(np.subtract.outer(np.arange(6), np.arange(6))) / (1 - a**2)
        law = stats.multivariate_normal(np.zeros(6), covariance)
        np.testing.assert_allclose(triple.model(a).log_prob(x), law.logpdf(x), rtol=1e-12)
        np.testing.assert_allclose(triple.model(a).entropy(), law.entropy(), rtol=1e-12)
    draws = np.asarray(triple.truth.sample(key, (20_000,)))
    # Each second moment within five of its own standard errors. Kills: a start at variance 1 (x_1 x_1: 0.96 off).
    products = draws[:, :, None] * draws[:, None, :]
    error = products.std(0) / np.sqrt(len(draws))
    assert (np.abs(products.mean(0) - np.asarray(triple.truth.covariance_matrix)) < 5 * error).all()


def test_a_series_of_a_hundred_thousand_values(key):
    # A matrix of its covariance would have 1e10 entries. Exact against naive, one value at a time.
    triple = zoo.autoregression(length=100_000, truth=0.9).triple
    x = np.asarray(triple.truth.sample(key))
    naive = stats.norm.logpdf(x[0], 0, 1 / np.sqrt(1 - 0.8**2))
    naive += sum(-0.5 * (new - 0.8 * old) ** 2 - 0.5 * np.log(2 * np.pi) for old, new in pairwise(x.tolist()))
    np.testing.assert_allclose(float(triple.model(0.8).log_prob(x)), naive, rtol=1e-11)


def test_eight_schools_have_the_known_evidence():
    # log Z of the centred model, by one-dimensional quadrature elsewhere: -31.31135. Here z is integrated school by
    # school, mu and tau on a grid. Kills: a sd of 25 for mu, errors of other schools, tau as a variance.
    specimen = zoo.eight_schools()
    z, weights = roots_hermitenorm(40)
    weights = weights / weights.sum()
    mu, v = np.polynomial.legendre.leggauss(40)
    mu, tau = np.meshgrid(30 * mu, np.exp(np.linspace(-9, 9, 181)), indexing="ij")

    def at_node(w):
        each = jax.vmap(lambda z: log_density(specimen.triple, {**w, "z": jnp.full(8, z)}, *specimen.data))(
            jnp.asarray(z)
        )
        return jax.scipy.special.logsumexp(each + jnp.log(weights)[:, None], axis=0).sum()

    nodes = {"mu": jnp.asarray(mu.ravel()), "tau": jnp.asarray(tau.ravel())}
    log_lik = np.asarray(jax.jit(lambda w: jax.lax.map(at_node, w, batch_size=500))(nodes)).reshape(mu.shape)
    at = lambda w: log_prior(specimen.triple, {**w, "z": jnp.zeros(8)}) - 8 * stats.norm.logpdf(0)  # noqa: E731
    prior = np.exp(jax.vmap(at)(nodes)).reshape(mu.shape) * tau * 0.1 * 30 * v[:, None]
    np.testing.assert_allclose(np.log((prior * np.exp(log_lik)).sum()), -31.31135, atol=2e-5)
    assert specimen.coefficient is None


BAD = [
    (lambda: zoo.monomial(powers=(0,)), "powers"),
    (lambda: zoo.monomial(mean=1.5), "mean must lie strictly between -1 and 1.*got 1.5"),
    (lambda: zoo.monomial(powers=(1,), prior_powers=(0, 0)), "one entry per coordinate"),
    (lambda: zoo.multinomial(probabilities=(0.5, 0.6)), "sum 1"),
    (lambda: zoo.multinomial(concentration=0), "concentration must be a positive number"),
    (lambda: zoo.autoregression(length=1), "length must be at least 2"),
    (lambda: zoo.autoregression(truth=1.0), "stationary; got 1.0"),
    (lambda: zoo.two_parameter_mixture(a=1.2), "a must lie in .* got a=1.2"),
    (lambda: zoo.polynomial_regression(degree=-1), "degree must be at least 0"),
    (lambda: zoo.relu_network(true_hidden=3), "true_hidden must be at most 2"),
    (lambda: zoo.reduced_rank(rank=4), "rank must be at most 3"),
    (lambda: zoo.deep_linear(widths=(2, 1, 2), rank=2), "rank must be at most 1"),
    (lambda: zoo.naive_bayes(dependent=1), "dependent must be 0 or at least 2"),
    (lambda: zoo.normal_mixture(components=0), "components must be at least 1"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_sizes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_module_is_public():
    assert slt.zoo is zoo


def test_equal_arguments_give_one_triple_and_nothing_that_a_caller_wrote():
    # Kills: one triple for both precisions, for 1 and 1.0 or under jit's tracers; an optimum shared with the truth.
    first = zoo.deep_linear(widths=[2, 2, 2], rank=1)
    first.optimum["W1"][:] = 7.0
    again = zoo.deep_linear(rank=1, widths=[2, 2, 2])
    assert again.triple is first.triple
    assert float(again.triple.truth(jnp.array([1.0, 0.0])).mean[0]) == again.optimum["W1"][0, 0] == 1.0
    assert zoo.tanh_unit(a=1).triple is not zoo.tanh_unit(a=1.0).triple
    wide = zoo.tanh_unit().triple
    with jax.enable_x64(False):
        assert zoo.tanh_unit().triple is not wide
    jax.jit(lambda x: log_density(zoo.autoregression(truth=0.3).triple, {"a": 0.1}, x))(jnp.ones((1, 4)))
    assert float(zoo.autoregression(truth=0.3).triple.truth.a) == 0.3
