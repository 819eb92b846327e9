"""The local learning coefficient against exact expectations of the very estimator, on the very data; every refusal.

Means over independent chains are held to four of their standard errors (with the 31 or more degrees of freedom used
here a correct program fails once in 2,000 seeds, and the seeds are fixed), and a named wrong value lies ten away.
"""

import dataclasses
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import scipy.stats

import slt
from slt import SltWarning, local_learning_coefficient
from slt.local import Settings, quadratic_expectation, sweep
from slt.local import chains as slt_chains
from slt.local.grid import HEAD

N = 500
BETA = 1 / np.log(N)
SLOPES = N * BETA  # n beta


def quiet(*args, **kwargs):
    """An estimate whose warnings are not what the test is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SltWarning)
        return local_learning_coefficient(*args, **kwargs)


def assert_within_noise(values, want, not_this=None, away=10):
    """The mean of independent figures, one per chain, against an exact one."""
    mean, se = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(mean - want) < 4 * se, f"{mean} +- {se}, wanted {want}"
    assert not_this is None or abs(mean - not_this) > away * se, f"{mean} +- {se} does not exclude {not_this}"


# --- quadratic losses: everything is known ---------------------------------------------------------------------------

CURVATURE = np.array([[2.0, 0.6, 0.0], [0.6, 0.5, 0.1], [0.0, 0.1, 0.05]])
NOTHING = np.zeros((N, 1))


def quadratic(w, batch):
    return 0.5 * w @ jnp.asarray(CURVATURE) @ w + 0 * batch.sum()


def linear_gaussian(h, gamma, step=0.0, noise=0.0):
    r"""$\hat\lambda$ of $u' = (1 - a)u + \ldots$ in each eigendirection, $a = \varepsilon(n\beta h + \gamma)/2$.

    The stationary variance is $(\varepsilon + \varepsilon^2 (n\beta)^2 c / 4) / (1 - (1-a)^2)$, $c$ the variance of the
    gradient of a batch; step 0 is the posterior itself.
    """
    a = SLOPES * h + gamma
    return 0.5 * (SLOPES * h / a * (1 + step * SLOPES**2 * noise / 4) / (1 - step * a / 4)).sum()


@pytest.mark.parametrize(("sampler", "step"), [("sgld", 8e-3), ("mala", 8e-3)])
@pytest.mark.parametrize("gamma", [1.0, 20.0])
def test_a_quadratic_loss(sampler, step, gamma, key):
    # Kills: no Metropolis test (step bias of 0.3), gamma taken twice or for gamma/2 (0.06 to 0.16), noise of variance
    # 2 eps, n in place of n beta, the posterior's value for SGLD.
    h = np.linalg.eigvalsh(CURVATURE)
    settings = Settings(sampler=sampler, chains=64, burn_in=500, draws=4000)
    fit = quiet(key, quadratic, np.zeros(3), NOTHING, step=step, gamma=gamma, settings=settings)
    exact, biased = linear_gaussian(h, gamma), linear_gaussian(h, gamma, step)
    want, wrong = (biased, exact) if sampler == "sgld" else (exact, biased)
    assert_within_noise(fit.per_chain, want, not_this=wrong)
    assert fit.estimate == pytest.approx(fit.per_chain.mean(), rel=1e-12)
    # The spread of 64 chains is known to 1 / sqrt(2 * 63) = 9 %: both errors agree to four times that.
    assert fit.se == pytest.approx(fit.per_chain.std(ddof=1) / 8, rel=0.36)


def test_the_corrections_are_exact_on_a_quadratic_loss(key):
    # Kills: eps/4 in place of eps/8; the pull of gamma left out of the bias; a slope without the half; the sign.
    h, gamma, step = np.linalg.eigvalsh(CURVATURE), 20.0, 8e-3
    settings = Settings(chains=64, burn_in=500, draws=4000)
    fit = quiet(key, quadratic, np.zeros(3), NOTHING, step=step, gamma=gamma, settings=settings)
    assert_within_noise(fit.per_chain - fit.bias.mean(1), linear_gaussian(h, gamma), linear_gaussian(h, gamma, step))
    assert fit.corrected == pytest.approx(fit.estimate - fit.bias.mean(), rel=1e-12)
    mala = Settings(sampler="mala", chains=64, burn_in=500, draws=4000)
    fit = quiet(key, quadratic, np.zeros(3), NOTHING, step=step, gamma=gamma, settings=mala)
    slope = -0.5 * gamma * (SLOPES * h / (SLOPES * h + gamma) ** 2).sum()
    a, b = SLOPES * fit.excess, fit.distance
    per_chain = -gamma / 2 * ((a - a.mean()) * (b - b.mean())).mean(1)
    assert_within_noise(per_chain, slope, not_this=2 * slope)
    assert fit.gamma_slope == pytest.approx(per_chain.mean(), rel=1e-9)


def test_the_acceptance_is_that_of_the_metropolis_test(key):
    # One direction, flat potential of the data: u ~ N(0, s^2), v = (1 - a)u + sqrt(eps) xi; the log ratio of the test
    # is (eps / 8) gamma^2 (u^2 - v^2) (algebra of the two Gaussians). SGLD's own stationary law is used on both sides.
    # Kills: forth and back exchanged; the proposal's variance 2 eps; a chain's own steps in place of fresh data.
    gamma, step = 1.0, 1.5
    flat = lambda w, batch: 0.0 * w.sum() * batch.sum()  # noqa: E731
    settings = Settings(chains=2000, burn_in=50, draws=20)
    fit = quiet(key, flat, np.zeros(1), NOTHING, step=step, gamma=gamma, settings=settings)
    rng = np.random.default_rng(1)
    u = rng.normal(size=400_000) * np.sqrt(1 / (gamma * (1 - step * gamma / 4)))
    v = (1 - step * gamma / 2) * u + np.sqrt(step) * rng.normal(size=u.size)
    ratio = np.exp(np.minimum(step / 8 * gamma**2 * (u**2 - v**2), 0))
    # 2,000 chains with 20 autocorrelated figures (coefficient 1/4 of u): at least 20,000 independent ones.
    error = ratio.std() * np.sqrt(1 / 20_000 + 1 / u.size)
    assert abs(fit.acceptance - ratio.mean()) < 4 * error < 0.02 * (1 - ratio.mean()) * 4


# --- batches ---------------------------------------------------------------------------------------------------------

POINTS = np.random.default_rng(5).normal(size=(N, 2)) * np.array([1.0, 2.0]) + np.array([3.0, -1.0])


def mean_loss(w, x):
    return 0.5 * ((x - w) ** 2).sum(1).mean()


@pytest.mark.parametrize(
    "evaluation", [{}, {"eval_size": 7}, {"eval_size": N, "thin": 3}], ids=["same", "apart", "all"]
)
def test_batches_raise_the_estimate_by_what_theory_says(evaluation, key):
    # The gradient of a batch of B drawn with replacement has variance S/B, whatever w: exact. Kills: draws without
    # fresh indices, one batch for all chains (the error bar), the loss after the step (its batch is not independent:
    # lower by eps (n beta)^2 tr S / (2B) = 2.6), an evaluation without its own baseline.
    size, step, gamma = 25, 4e-3, 5.0
    settings = Settings(chains=64, burn_in=300, draws=1000, batch_size=size, **evaluation)
    with pytest.warns(SltWarning, match="step and batches raise the estimate by about"):
        fit = local_learning_coefficient(
            key, mean_loss, POINTS.mean(0), POINTS, step=step, gamma=gamma, settings=settings
        )
    h, noise = np.ones(2), POINTS.var(0) / size
    want = linear_gaussian(h, gamma, step, noise)
    assert_within_noise(fit.per_chain, want, not_this=linear_gaussian(h, gamma, step))
    # What is left is the noise in directions that gamma holds: (eps/8)(n beta)^2 c gamma/(n beta + gamma).
    left = (step / 8 * SLOPES**2 * noise * gamma / (SLOPES + gamma)).sum()
    bias = (want - linear_gaussian(h, gamma)) + left
    assert_within_noise(fit.bias.mean(1), bias, not_this=step / 8 * SLOPES * 2)
    assert fit.baseline == pytest.approx(0.5 * POINTS.var(0).sum(), rel=1e-12)  # all the data, not a batch


def test_the_error_bar_of_four_chains_is_calibrated(key):
    # 400 groups of four chains out of one run, each an estimate of its own. Of a normal z, 4.6 % lie beyond 2, and
    # 31.7 % beyond 1; the error is the larger of two, so a little less is right, and for four binomial errors 8.7 % is
    # too much and 15 % too few. Kills: the spread of four chains alone (19 % beyond 2; t of 3: 14 %), the effective
    # draws alone (10 %), draws taken for independent beside the spread (9 %), both errors added (12 % beyond 1).
    size, step, gamma = 50, 2e-3, 5.0
    settings = Settings(chains=1600, burn_in=100, draws=200, batch_size=size)
    want = linear_gaussian(np.ones(2), gamma, step, POINTS.var(0) / size)
    whole = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=step, gamma=gamma, settings=settings)
    groups = [
        dataclasses.replace(whole, excess=e, distance=d)
        for e, d in zip(np.split(whole.excess, 400), np.split(whole.distance, 400), strict=True)
    ]
    z = np.array([(g.estimate - want) / g.se for g in groups])
    assert (abs(z) > 2).mean() < 0.087
    assert 0.15 < (abs(z) > 1).mean() < 0.41
    intervals = np.array([g.interval() for g in groups])
    assert ((intervals[:, 0] < want) & (want < intervals[:, 1])).mean() > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 400)
    low, high = intervals[0]
    assert (high - low) / 2 == pytest.approx(3.1824463 * groups[0].se, rel=1e-6)  # t of 3 degrees of freedom


def test_the_error_is_the_larger_of_two(rng):
    # AR(1) chains of coefficient r: the variance of a mean of S draws is (1 + r) / (1 - r) / S times that of a draw.
    # Made to agree exactly, they still err by that; moved apart, by their spread. The autocorrelations are summed from
    # 8,000 draws: a tenth is four times their error. Kills: either error alone; draws taken for independent; ddof=0;
    # a scale without n beta.
    r = 0.8
    draws = scipy.signal.lfilter([1.0], [1.0, -r], rng.normal(size=(4, 3000)))[:, 1000:]
    draws -= draws.mean(1, keepdims=True)
    together = made(excess=(5 + draws) / SLOPES)
    theory = np.sqrt((1 + r) / (1 - r) / draws.size / (1 - r**2))
    assert together.per_chain.std() < 1e-12
    assert together.se == pytest.approx(theory, rel=0.1)
    apart = made(excess=(5 + 0.01 * draws + np.array([[0.0], [1.0], [2.0], [7.0]])) / SLOPES)
    assert apart.se == pytest.approx(np.std([0, 1, 2, 7], ddof=1) / 2, rel=1e-9)
    assert made(excess=np.zeros((4, 1000))).se == 0


# --- singular models -------------------------------------------------------------------------------------------------


def monomial(k1, k2, sigma=0.5):
    def loss(w, batch):
        x, y = batch
        return ((y - w[0] ** k1 * w[1] ** k2 * x) ** 2).mean() / (2 * sigma**2)

    return loss


def monomial_expectation(k1, k2, x, y, beta, gamma, sigma=0.5):
    """E[n beta (L_n(w) - L_n(0))] by quadrature in two dimensions on this data set: a restatement in NumPy."""
    grid = np.linspace(-6, 6, 3001)
    a, b = beta * (x @ x) / (2 * sigma**2), beta * (x @ y) / sigma**2
    weight = total = 0.0
    for w1 in np.array_split(grid, 30):
        t = w1[:, None] ** k1 * grid**k2
        rise = a * t**2 - b * t
        p = np.exp(-rise - gamma / 2 * (w1[:, None] ** 2 + grid**2))
        weight, total = weight + p.sum(), total + (p * rise).sum()
    return total / weight


@pytest.mark.parametrize(("k1", "k2", "rlct"), [(0, 1, 1 / 2), (1, 1, 1 / 2), (1, 2, 1 / 4), (2, 2, 1 / 4)])
def test_monomials_reach_the_finite_n_expectation(k1, k2, rlct, rng, key):
    # y = w1^k1 w2^k2 x + N(0, 0.5^2), truth 0. Not lambda: its value is excluded by the same test. Where w1 is 1 the
    # loss is 160 times as steep in w2 as the pull, so the step is small. Kills: gamma^2, gamma for gamma / 2, no test.
    x = rng.normal(size=N)
    y = 0.5 * rng.normal(size=N)
    want = monomial_expectation(k1, k2, x, y, BETA, gamma=4.0)
    settings = Settings(sampler="mala", chains=64, burn_in=1000, draws=4000)
    fit = quiet(key, monomial(k1, k2), np.zeros(2), (x, y), step=0.006, gamma=4.0, settings=settings)
    assert_within_noise(fit.per_chain, want, not_this=rlct, away=6)


def reduced_rank(w, batch):
    x, y = batch
    return 0.5 * ((y - (x @ w["A"])[:, None] * w["b"]) ** 2).sum(1).mean()


def reduced_rank_expectation(x, y, at, gamma):
    """y = b (a . x) + N(0, I): given a, b is Gaussian and integrates out; a by quadrature in two dimensions."""
    grid = np.stack(np.meshgrid(*[np.linspace(c - 4, c + 4, 401) for c in at["A"]], indexing="ij"), -1).reshape(-1, 2)
    sxx, sxy = x.T @ x / N, x.T @ y / N
    size, cross = np.einsum("gi,ij,gj->g", grid, sxx, grid), grid @ sxy
    precision = SLOPES * size + gamma
    mean = (SLOPES * cross + gamma * at["b"]) / precision[:, None]
    loss = 0.5 * (size * (2 / precision + (mean**2).sum(1)) - 2 * (mean * cross).sum(1))  # less (1/2) mean |y|^2
    s, c = at["A"] @ sxx @ at["A"], at["A"] @ sxy
    start = 0.5 * (s * at["b"] @ at["b"] - 2 * at["b"] @ c)
    log_p = 0.5 * precision * (mean**2).sum(1) - np.log(precision) - gamma / 2 * ((grid - at["A"]) ** 2).sum(1)
    p = np.exp(log_p - log_p.max())
    return SLOPES * ((p @ loss) / p.sum() - start)


@pytest.mark.parametrize("rank", [0, 1])
def test_reduced_rank_regression_reaches_its_expectation(rank, rng, key):
    # A 2-1-2 network, a dictionary of two arrays; w* is the true parameter, at rank 1 away from the origin and not
    # isotropic. Kills: a pull towards 0 in place of w*; coordinates of the leaves exchanged on the way to the loss.
    at = {"A": rank * np.array([1.5, -0.5]), "b": rank * np.array([0.3, 1.0])}
    x = rng.normal(size=(N, 2)) * np.array([1.0, 0.4])
    y = (x @ at["A"])[:, None] * at["b"] + rng.normal(size=(N, 2))
    want = reduced_rank_expectation(x, y, at, gamma=3.0)
    settings = Settings(sampler="mala", chains=64, burn_in=1000, draws=2000)
    fit = quiet(key, reduced_rank, at, (x, y), step=0.02, gamma=3.0, settings=settings)
    assert_within_noise(fit.per_chain, want, not_this=[2.0, 2.0][rank], away=6)  # not half the number of parameters


# --- the door --------------------------------------------------------------------------------------------------------

SHORT = Settings(burn_in=20, draws=40)


def test_the_same_key_gives_the_same_figures_and_chains_are_independent(key):
    # Kills: noise shared by the chains (their correlation would be 1), a key that is not used.
    fit = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=0.005, settings=Settings(draws=3000))
    again = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=0.005, settings=Settings(draws=3000))
    other = quiet(jax.random.key(1), mean_loss, POINTS.mean(0), POINTS, step=0.005, settings=Settings(draws=3000))
    np.testing.assert_array_equal(fit.excess, again.excess)
    assert fit.estimate != other.estimate
    correlation = np.corrcoef(fit.excess)[np.triu_indices(4, 1)]
    # Autocorrelation time about 1 / (step n beta) = 2.5 steps: 1,000 effective pairs, four standard errors are 0.13.
    assert abs(correlation).max() < 0.13


def test_the_noise_of_a_step_has_the_first_five_moments_of_a_normal():
    # Of the 256 values exactly (in float32); each of them equally often in two million (chi-square); bytes of a word,
    # halves of the words, chains and steps uncorrelated in value and in square, within four standard errors.
    # Kills: no cubic term (kurtosis 2.92), variance not one, a byte or a word used twice, a byte never used,
    # words that do not depend on the seed of the step.
    quantiles = slt_chains._quantiles()
    values = np.asarray(quantiles, np.float64)
    np.testing.assert_allclose([(values**k).mean() for k in range(1, 6)], [0, 1, 0, 3, 0], atol=3e-6)
    assert (np.diff(values) > 0).all()

    def noise(*seed):
        words = slt_chains._words(jnp.array(seed, jnp.uint32), (2, 250_000))
        return np.asarray(slt_chains._normal(quantiles, words, 1_000_000))

    z, later = noise(5, 3, 8, 1), noise(6, 3, 8, 1)
    assert scipy.stats.chisquare(np.unique(z, return_counts=True)[1]).pvalue > 1e-3
    assert len(np.unique(z)) == 256
    quarters = z.reshape(2, 4, 250_000)
    pairs = [(quarters[:, a], quarters[:, b]) for a in range(4) for b in range(a)]
    pairs += [(z[:, :125_000], z[:, 125_000:250_000]), z, (z, later), (z[0], later[1])]
    for first, second in pairs:
        assert abs((first * second).mean()) < 4 / np.sqrt(first.size)
        assert abs(((first**2 - 1) * (second**2 - 1)).mean()) < 4 * 2 / np.sqrt(first.size)


@pytest.mark.parametrize("sampler", ["sgld", "psgld", "mala", "nuts"])
def test_burn_in_is_in_no_figure(sampler, key):
    # w* lies four units from the minimum and the first steps are short, so that the way down is slow and burn-in holds
    # all of it: every draw that is kept lies near the bottom, n beta * 8 = 644 below w*, and near the distance of four.
    # Kills: the first draws in place of the last, burn-in among them, the acceptance or the distance of burn-in.
    start = 4e-3 if sampler != "nuts" else 1e-12
    settings = Settings(sampler=sampler, burn_in=400, draws=20)
    away = POINTS.mean(0) + np.array([4.0, 0.0])
    fit = quiet(key, mean_loss, away, POINTS, step=start, settings=settings)
    # The rise over the bottom is a sum of two squares, exponential in n beta L_n: above 40 once in 1e17 draws.
    assert fit.excess.shape == fit.distance.shape == (4, 20)
    assert (SLOPES * fit.excess < -SLOPES * 8 + 40).all()
    assert (abs(np.sqrt(fit.distance) - 4) < 1).all()


@pytest.mark.parametrize(("eval_size", "low", "high"), [(None, 0.99, 1.01), (5, -0.1, 0.1)])
def test_the_evaluation_batch_is_apart_from_that_of_the_gradient(eval_size, low, high, key):
    # The loss is linear, so its rise over u^2 and the bias of the step are the squared means of x over the two batches:
    # equal on one batch, independent on two (four standard errors of the correlation of 4,000 pairs are 0.06, and
    # squares have heavier tails). Kills: the gradient's own indices in the evaluation, one index for both.
    linear = lambda w, x: (x[:, 0] * w[0]).mean()  # noqa: E731
    settings = Settings(burn_in=5, draws=4000, batch_size=5, eval_size=eval_size)
    fit = quiet(key, linear, np.zeros(1), POINTS - POINTS.mean(0), step=1e-6, gamma=0.0, settings=settings)
    measured, gradient = (fit.excess**2 / fit.distance)[:, ::4], fit.bias * 8e6 / SLOPES**2
    assert low < np.corrcoef(measured.ravel(), gradient.ravel())[0, 1] < high


def test_batches_of_the_chains_are_independent(key):
    # One batch for all chains hides the noise of batches from the error bar. The step is too small to move, so the
    # squared gradients of a step (in `bias`) differ between chains by their batches alone. Kills: one index for all.
    settings = Settings(burn_in=1, draws=4, batch_size=5)
    fit = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=1e-12, settings=settings)
    assert len(np.unique((fit.bias[:, 0] / fit.bias[:, 0].max()).round(4))) == 4


@pytest.mark.parametrize("sampler", ["sgld", "mala"])
def test_any_pytree_gives_the_figures_of_its_vector(sampler, key):
    # Nested dictionaries, tuples, scalars: the order of the leaves is that of the vector here, so figures are equal.
    def nested(w, batch):
        return mean_loss(jnp.stack([w["a"]["inner"], w["b"][0][0]]), batch["x"])

    settings = Settings(sampler=sampler, burn_in=20, draws=40)
    tree = {"a": {"inner": POINTS[:, 0].mean()}, "b": (POINTS[:, 1].mean(keepdims=True),)}
    one = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=0.005, settings=settings)
    two = quiet(key, nested, tree, {"x": POINTS}, step=0.005, settings=settings)
    np.testing.assert_allclose(two.excess, one.excess, rtol=1e-9, atol=1e-13)
    assert two.dimension == 2


class Tensor:
    """What a PyTorch tensor on the CPU is to NumPy: an object with `__array__`, which refuses while it needs grad."""

    def __init__(self, a, requires_grad=False):
        self.a, self.requires_grad = a, requires_grad

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return np.asarray(self.a, dtype=dtype)


def test_arrays_of_other_libraries(key):
    # Kills: dtype lost on the way (float32 parameters stay float32; float64 NumPy is computed in float64 with x64 off).
    one = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=0.005, settings=SHORT)
    two = quiet(key, mean_loss, Tensor(POINTS.mean(0)), Tensor(POINTS), step=0.005, settings=SHORT)
    three = quiet(key, mean_loss, jnp.asarray(POINTS.mean(0)), jnp.asarray(POINTS), step=0.005, settings=SHORT)
    with jax.enable_x64(False):
        four = quiet(key, mean_loss, POINTS.mean(0), POINTS, step=0.005, settings=SHORT)
    for other in (two, three, four):
        np.testing.assert_array_equal(one.excess, other.excess)
    with pytest.raises(TypeError, match=re.escape(".detach().cpu().numpy()")):
        quiet(key, mean_loss, Tensor(POINTS.mean(0), requires_grad=True), POINTS, step=0.005)
    low = quiet(key, mean_loss, POINTS.mean(0).astype(np.float32), POINTS.astype(np.float32), step=0.005)
    assert low.excess.dtype == np.float64
    assert (low.excess == low.excess.astype(np.float32)).all()


def test_nothing_is_compiled_between_calls_of_one_shape(key):
    # The loss is traced only when a program is compiled. Kills: numbers that are static, an unravelling that is new.
    traces = []

    def counted(w, x):
        traces.append(1)
        return mean_loss(w, x)

    quiet(key, counted, POINTS.mean(0), POINTS, step=0.005, settings=SHORT)
    first = len(traces)
    assert first > 0
    quiet(jax.random.key(7), counted, POINTS[1], POINTS + 1, step=0.001, gamma=3.0, beta=0.3, settings=SHORT)
    assert len(traces) == first
    quiet(key, counted, POINTS.mean(0), POINTS[1:], step=0.005, settings=SHORT)
    assert len(traces) > first


# --- what is wrong is said -------------------------------------------------------------------------------------------


def test_a_healthy_estimate_is_silent_and_says_so(key):
    settings = Settings(draws=2000)
    fit = local_learning_coefficient(key, mean_loss, POINTS.mean(0), POINTS, step=2e-3, settings=settings)
    assert fit.problems() == ()
    assert "LOOK" not in fit.check()
    assert f"beta = {BETA:.4g}" in repr(fit)
    assert fit.rhat < 1.05
    assert fit.ess > 100
    np.testing.assert_allclose(fit.losses - fit.baseline, fit.excess, atol=1e-12)


def test_a_negative_estimate_is_returned_and_explained(key):
    # w* half a unit away from the minimum: L falls by 1/8, n beta / 8 = 10. Kills: clipping at zero; a descent in
    # nats per observation; a descent that does not look far enough.
    away = POINTS.mean(0) + np.array([0.5, 0.0])
    with pytest.warns(SltWarning, match="negative: -.*w. is not a minimum"):
        fit = local_learning_coefficient(key, mean_loss, away, POINTS, step=5e-3, settings=Settings(draws=2000))
    exact = 1 - SLOPES / 8  # less the pull of gamma = 1, which leaves 1/(n beta + 1)^2 of the way: below 0.01
    assert abs(fit.estimate - exact) < 4 * fit.se + 0.02 + fit.step_bias
    assert fit.estimate < -5
    assert fit.gradient_norm == pytest.approx(0.5, rel=1e-9)
    # m steps of eps n beta / 2 = 0.2 in one: 1/2 (1 - 0.8^2) at m = 4, of the 1/8 n beta there is.
    reached = 1 - (1 - 4 * 5e-3 * SLOPES / 2) ** 2
    assert fit.descent == pytest.approx(SLOPES / 8 * reached, rel=1e-9)


def test_a_negative_estimate_that_is_noise_says_so():
    flat = lambda w, batch: 0.01 * ((w * batch).sum(1) ** 3).mean()  # noqa: E731
    signs = np.where(np.arange(N) % 2, 1.0, -1.0)[:, None]
    settings = Settings(burn_in=10, draws=20, batch_size=3)
    keys = [jax.random.key(seed) for seed in range(20)]
    fit = next(f for k in keys if (f := quiet(k, flat, np.zeros(1), signs, step=0.01, settings=settings)).estimate < 0)
    assert fit.estimate > -4 * fit.se
    assert re.search(r"LOOK  negative: -.*noise \(\d\.\d standard errors below zero\)", fit.check())


def test_a_step_too_large_is_said(key):
    with pytest.warns(SltWarning, match=r"diverged: 4 of 4 chains left every bound \(first at draw \d+\)"):
        fit = local_learning_coefficient(key, mean_loss, POINTS.mean(0), POINTS, step=0.5, settings=Settings())
    assert np.isnan(fit.estimate)
    with pytest.warns(SltWarning, match="acceptance 0.[0-7]"):
        local_learning_coefficient(key, quadratic, np.zeros(3), NOTHING, step=0.022)


def test_chains_that_have_not_arrived_are_said(key):
    with pytest.warns(SltWarning, match="R-hat|drift"):
        local_learning_coefficient(
            key, quadratic, np.zeros(3), NOTHING, step=1e-5, settings=Settings(burn_in=0, draws=500)
        )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"key": 0}, TypeError, "key must be a JAX key"),
        ({"loss": 3}, TypeError, "loss must be a function"),
        ({"loss": lambda w, x: ((x - w) ** 2).sum(1)}, ValueError, r"one number.*got shape \(500,\). Take .mean"),
        ({"loss": lambda w, x: ((x - w) ** 2).sum()}, ValueError, r"mean over the batch.*ratio 8"),
        ({"loss": lambda w, x: jnp.log(-((x - w) ** 2).sum(1)).mean()}, ValueError, "loss at w. is nan"),
        ({"loss": lambda w, x: jnp.sqrt(((w - w.mean()) ** 2).sum() * 0) + x.sum() * 0}, ValueError, "norm nan"),
        ({"params": {}}, ValueError, "params holds no number"),
        ({"params": {"w": np.array([1, 2])}}, TypeError, r"params\['w'\] must be floating; got int64"),
        ({"params": np.array([1.0, np.nan])}, ValueError, r"1 of 2 entries are not \(first at \(1,\)\)"),
        ({"params": [np.zeros(2), "relu"]}, TypeError, r"params\[1\] must be a number"),
        ({"data": 5.0}, ValueError, "there is no n"),
        ({"data": ()}, ValueError, "there is no n"),
        ({"data": (POINTS, POINTS[1:])}, ValueError, "same first axis n"),
        ({"data": POINTS[:1]}, ValueError, "n = 1 observation"),
        ({"data": np.where(POINTS > 5, np.nan, POINTS)}, ValueError, "data must be finite"),
        ({"step": 0.0}, ValueError, "step must be a positive"),
        ({"step": np.nan}, ValueError, "step must be a positive"),
        ({"gamma": -1.0}, ValueError, "gamma must be a number >= 0"),
        ({"beta": 0.0}, ValueError, "beta must be a positive number"),
        ({"beta": N / np.log(N)}, ValueError, "looks like n beta"),
        ({"mask": np.array([True, False, True])}, ValueError, "mask must be True, False"),
        ({"mask": {"w": True}}, ValueError, "mask must be a tree of the shape"),
        ({"mask": np.array([0.0, 1.0])}, ValueError, "got float64"),
        ({"mask": False}, ValueError, "at least one must be True"),
        ({"settings": {"draws": 5}}, TypeError, "settings must be slt.local.Settings"),
    ],
)
def test_bad_input_is_refused(change, error, message, key):
    good = {"key": key, "loss": mean_loss, "params": np.zeros(2), "data": POINTS, "step": 0.01}
    options = good | change
    positional = [options.pop(name) for name in ("key", "loss", "params", "data")]
    with pytest.raises(error, match=f"(?s){message}"):
        local_learning_coefficient(*positional, **options)


WALL = jnp.asarray(POINTS.mean(0))


def walled(w, x):
    """NaN beyond a radius that the posterior reaches."""
    return mean_loss(w, x) + 0 * jnp.sqrt(0.02 - ((w - WALL) ** 2).sum())


def test_a_loss_that_is_no_number_near_the_minimum_is_said(key):
    # MALA refuses such a proposal without a word, and its estimate is finite. Kills: NaN proposals that are not
    # counted (all other proposals of so short a step are accepted, so their share is that of the refused), counted only
    # where thin= keeps them, or in burn-in too.
    options = {"burn_in": 100, "draws": 100, "thin": 2}
    with pytest.warns(SltWarning, match="diverged: .*not finite"):
        local_learning_coefficient(key, walled, POINTS.mean(0), POINTS, step=1e-3, settings=Settings(**options))
    settings = Settings(sampler="mala", **options)
    with pytest.warns(SltWarning, match="nan: the loss is NaN at [1-9]"):
        fit = local_learning_coefficient(key, walled, POINTS.mean(0), POINTS, step=1e-3, settings=settings)
    assert np.isfinite(fit.estimate)
    # A step of 0.03 from within a radius of 0.14 leaves it seldom and is otherwise accepted to a per cent.
    assert 0.05 < fit.divergences / 800 == pytest.approx(1 - fit.acceptance, abs=0.02)


def test_a_large_beta_is_flagged(key):
    with pytest.warns(SltWarning, match="was n beta meant"):
        local_learning_coefficient(key, mean_loss, POINTS.mean(0), POINTS, step=1e-4, beta=40.0, settings=SHORT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "hmc"}, "sampler must be one of 'sgld', 'psgld', 'mala', 'nuts'; got 'hmc'"),
        ({"chains": 1}, "at least 2; got 1. One chain cannot"),
        ({"draws": 3}, "draws must be a whole number, at least 4"),
        ({"draws": 10.0}, "draws must be a whole number"),
        ({"thin": 0}, "thin must be a whole number, at least 1"),
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1"),
        ({"sampler": "mala", "batch_size": 10}, "accepts or refuses by the loss on all the data"),
        ({"sampler": "nuts", "batch_size": 10}, '"nuts" accepts or refuses by the loss on all the data'),
        ({"sampler": "psgld", "burn_in": 10}, "learns its scales in burn-in"),
        ({"sampler": "nuts", "burn_in": 10}, '"nuts" learns its scales in burn-in'),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Settings(**options)


@pytest.mark.parametrize(("n", "size"), [(10_000, 1000), (2048, 1024), (103, 103), (1031, 1024), (2 * 5003, 1024)])
def test_blocks_leave_no_rest_where_they_can(n, size):
    # The last two have no divisor from 256 to 1,024. Kills: a remainder that is not looked at.
    from slt.local import start

    assert start._block(n) == size


def test_all_the_data_in_blocks_is_all_the_data(rng):
    # What is measured at w* beside batches goes block by block, with a shorter last one. Kills: the rest dropped,
    # blocks weighted alike.
    from slt.local import start

    data = (jnp.asarray(rng.normal(size=(103, 2))), jnp.arange(103.0))
    mean = lambda batch: {"a": (batch[0] ** 2).mean(0), "b": batch[1].mean()}  # noqa: E731
    for size in (10, 103, 200, 50):
        got = start._mean_over(mean, data, size)
        jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, rtol=1e-12), got, mean(data))


# --- other samplers, restricted parameters ---------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["sgld", "psgld", "mala"])
@pytest.mark.parametrize("free", [[True, False, True], [False, True, True]])
def test_a_mask_restricts_the_coefficient(sampler, free, key):
    # The loss of the free coordinates has the block of the curvature that belongs to them: neither its eigenvalues nor
    # its Schur complement are those of the whole. Kills: noise, drift, pull or the Metropolis ratio without the mask.
    h, gamma = np.linalg.eigvalsh(CURVATURE[np.ix_(free, free)]), 20.0
    settings = Settings(sampler=sampler, chains=64, burn_in=500, draws=4000)
    fit = quiet(key, quadratic, np.zeros(3), NOTHING, step=4e-3, gamma=gamma, mask=np.array(free), settings=settings)
    whole = linear_gaussian(np.linalg.eigvalsh(CURVATURE), gamma)
    assert_within_noise(fit.per_chain - fit.bias.mean(1), linear_gaussian(h, gamma), not_this=whole)
    assert fit.dimension == 2


def test_what_is_held_does_not_move_and_a_prefix_will_do(key):
    # Kills: a mask by position in the wrong leaf; a mask that is not broadcast. Flat loss, strong pull: the squared
    # distance of the two free coordinates from w* has mean 2/gamma/(1 - eps gamma/4).
    params = {"held": np.zeros((2, 3)), "free": (np.zeros(1), np.zeros(1))}
    flat = lambda w, batch: 0.0 * (w["held"].sum() + w["free"][0].sum()) * batch.sum()  # noqa: E731
    settings = Settings(chains=64, burn_in=50, draws=200)
    mask = {"held": False, "free": True}
    fit = quiet(key, flat, params, NOTHING, step=0.1, gamma=10.0, mask=mask, settings=settings)
    assert_within_noise(fit.distance.mean(1), 0.2 / (1 - 0.25), not_this=0.8 / (1 - 0.25))
    assert fit.dimension == 2


STEEP = np.array([40.0, 1.0, 0.02])


def steep(w, batch):
    return 0.5 * (jnp.asarray(STEEP) * w**2).sum() + 0 * batch.sum()


def test_the_preconditioned_chain_reaches_the_same_expectation(key):
    # With A fixed after burn-in the correction of the step is exact for a quadratic loss, whatever A. Kills: A that
    # goes on changing, noise without the root of A, a bias without A, A = I (plain SGLD has a larger bias).
    gamma, step = 5.0, 6e-4
    settings = Settings(sampler="psgld", chains=64, burn_in=1000, draws=8000)
    fit = quiet(key, steep, np.zeros(3), NOTHING, step=step, gamma=gamma, settings=settings)
    exact, plain = linear_gaussian(STEEP, gamma), linear_gaussian(STEEP, gamma, step)
    assert_within_noise(fit.per_chain - fit.bias.mean(1), exact)
    assert fit.step_bias < (plain - exact) / 2
    assert fit.acceptance > 0.9


def test_the_scales_are_the_rule(rng):
    # A plain restatement. Kills: the mean over held coordinates, damping that is absolute, squares without a root.
    square = rng.exponential(size=(2, 5)) * np.array([1.0, 100.0, 1e-4, 1.0, 0.0])
    free = np.array([True, True, False, True, True])
    got = slt_chains.preconditioner(jnp.asarray(square), jnp.asarray(free, dtype=float))
    for a, v in zip(got, square, strict=True):
        want = 1 / (0.1 * np.sqrt(v[free].mean()) + np.sqrt(v[free]))
        np.testing.assert_allclose(a[free], want / want.mean(), rtol=1e-12)
    np.testing.assert_allclose(slt_chains.preconditioner(jnp.zeros((1, 3)), jnp.ones(1)), 1)


# --- theory and sweep ------------------------------------------------------------------------------------------------


def test_the_quadratic_formula(rng):
    # Against the recursion itself, iterated to its fixed point, in each direction. Kills: eps/2 for eps/4 in either
    # factor, n beta for its square, gamma in the numerator.
    h, c = np.array([0.7, 0.02, 0.0]), np.array([0.3, 0.01, 0.2])
    for step, gamma in ((2e-3, 0.5), (1e-2, 8.0)):
        a, variance = step / 2 * (SLOPES * h + gamma), np.zeros(3)
        for _ in range(100_000):
            variance = (1 - a) ** 2 * variance + step + step**2 / 4 * SLOPES**2 * c
        want = 0.5 * SLOPES * (h * variance).sum()
        got = quadratic_expectation(h, N, gamma=gamma, step=step, gradient_variance=c)
        assert got == pytest.approx(want, rel=1e-9)
    assert quadratic_expectation(h, N) == 1.0
    assert quadratic_expectation([1.0], N, beta=1.0, gamma=N) == pytest.approx(0.25)
    # The posterior of one direction by quadrature.
    w = np.linspace(-3, 3, 20001)
    p = np.exp(-SLOPES * 0.7 * w**2 / 2 - 4 * w**2)
    want = (p * SLOPES * 0.7 * w**2 / 2).sum() / p.sum()
    assert quadratic_expectation([0.7], N, gamma=8.0) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curvatures": [-1.0]}, "eigenvalues >= 0"),
        ({"curvatures": 1.0}, "eigenvalues >= 0"),
        ({"step": 0.06}, r"step must lie in \[0, .* = \[0, 0.04972\)"),
        ({"step": -1.0}, "step must"),
        ({"gradient_variance": [1.0, 2.0]}, "gradient_variance must be >= 0"),
        ({"gamma": -1.0}, "gamma must be"),
        ({"beta": -1.0}, "beta must be a positive"),
    ],
)
def test_the_quadratic_formula_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        quadratic_expectation(options.pop("curvatures", [1.0]), N, **options)


def test_a_sweep_follows_theory_over_its_grid(key):
    # Each pair against its own exact value; the values differ by more than the errors. Kills: steps and gammas
    # exchanged, a raise where a chain diverges.
    steps, gammas = [2e-3, 8e-3, 0.5], [2.0, 60.0]
    settings = Settings(chains=32, burn_in=300, draws=2000)
    result = sweep(key, quadratic, np.zeros(3), NOTHING, steps=steps, gammas=gammas, settings=settings)
    h = np.linalg.eigvalsh(CURVATURE)
    want = np.array([[quadratic_expectation(h, N, gamma=g, step=s) for g in gammas] for s in steps[:2]])
    z = (result.values("estimate")[:2] - want) / result.values("se")[:2]
    assert (abs(z) < 4).all()
    assert abs(want[0, 1] - want[1, 0]) > 10 * result.values("se")[:2].max()
    assert np.isnan(result.values("estimate")[2]).all()
    lines = str(result).splitlines()
    assert lines[0].split() == " ".join(HEAD).split()
    assert len(lines) == 7
    assert lines[2].split()[:3] == ["0.002", "60", f"{result.estimates[0][1].estimate:.4g}"]
    assert lines[-1].endswith("diverged")


def test_a_sweep_compiles_once_and_draws_afresh(key):
    # Kills: numbers that are static, one key for all pairs.
    traces = []

    def counted(w, x):
        traces.append(1)
        return mean_loss(w, x)

    options = {"settings": SHORT, "gammas": [1.0]}
    sweep(key, counted, POINTS.mean(0), POINTS, steps=[1e-3], **options)
    first = len(traces)
    twice = sweep(key, counted, POINTS.mean(0), POINTS, steps=[2e-3, 2e-3, 4e-3], **options).values("estimate")
    assert len(traces) == first > 0
    assert twice[0, 0] != twice[1, 0]  # every pair has a key of its own
    with pytest.raises(ValueError, match="at least one step and one gamma"):
        sweep(key, counted, POINTS.mean(0), POINTS, steps=[], **options)


# --- the verdict -----------------------------------------------------------------------------------------------------


def made(**changes):
    """An estimate made by hand: four chains of 1,000 independent draws of a sum of 10 squares, lambda 5, healthy."""
    rng = np.random.default_rng(3)
    nats = 0.5 * rng.normal(size=(4, 1000, 10)) ** 2
    figures = {
        "excess": nats.sum(2) / SLOPES,
        "distance": 2 * (nats @ np.array([5.0, 3, 2, 1, 1, 1, 1, 1, 1, 1])) / SLOPES,
        "bias": np.full((4, 1000), 0.1),
        "acceptance": 0.93,
        "baseline": 1.2,
        "gradient_norm": 0.01,
        "descent": 0.05,
        "dimension": 10,
        "n": N,
        "beta": BETA,
        "gamma": 1.0,
        "step": 1e-3,
        "settings": Settings(),
    }
    return slt.local.Estimate(**(figures | changes))


HEALTHY = made()
SHIFT = np.array([[-1.0], [0.0], [0.0], [1.0]]) / SLOPES
SLOW = np.repeat(HEALTHY.excess[:, ::50], 50, axis=1)  # 20 different draws a chain


@pytest.mark.parametrize(
    ("changes", "flagged"),
    [
        ({}, {}),
        ({"descent": 0.6}, {"w*:": "falls by 0.6"}),
        ({"excess": HEALTHY.excess + SHIFT * 3}, {"R-hat": "chains disagree", "ESS": "too few independent draws"}),
        ({"excess": SLOW, "distance": SLOW}, {"R-hat": "chains disagree", "ESS": "too few independent draws"}),
        (
            {"excess": HEALTHY.excess + np.linspace(4, 0, 1000) / SLOPES},
            {"drift": "have not arrived", "R-hat": "chains disagree", "ESS": "too few"},
        ),
        ({"acceptance": 0.79}, {"acceptance": "the step 0.001 is too large. Halve it"}),
        ({"acceptance": float("nan")}, {"acceptance": "too large"}),
        ({"acceptance": 0.6, "settings": Settings(sampler="mala")}, {}),
        ({"bias": np.full((4, 1000), 0.6)}, {"step": "about 0.6; without it 4.369"}),
        ({"gamma": 200.0}, {"gamma:": "the localization gamma = 200 matters"}),
        ({"divergences": 40}, {}),
        ({"divergences": 1, "settings": Settings(sampler="mala")}, {"nan:": "NaN at 1 of 4000 proposals"}),
        (
            {"divergences": 41},
            {"divergences:": "41 trajectories .* more than 1% of the draws.* or the loss is not finite"},
        ),
        (
            {"excess": SLOW, "step": 1e-5},
            {"R-hat": "gamma = 1 alone and forget in 2e.05 steps", "ESS": 'sampler="nuts"'},
        ),
        ({"beta": 10 * BETA * np.log(N)}, {}),
        ({"beta": 11.0}, {"beta": "beta = 11 is far above 1 / log n = 0.161"}),
        ({"excess": HEALTHY.excess - 8 / SLOPES, "descent": 4.0}, {"w*:": "", "negative:": "w. is not a minimum"}),
        (
            {"excess": -HEALTHY.excess + SHIFT * 100, "acceptance": 0.5},
            {
                "w*:": "75% of the draws lie below w",
                "negative:": "noise .* standard errors below zero.*; a step too large",
                "R-hat": "",
                "ESS": "",
                "acceptance": "",
            },
        ),
        (
            {"excess": np.where(np.arange(1000) > 700, np.nan, HEALTHY.excess)},
            {"diverged:": "4 of 4 chains .*first at draw 701"},
        ),
        (
            {"excess": np.full((4, 1000), np.nan), "beta": float(N)},
            {"diverged:": "Take a tenth", "beta": "beta = 500 is far above 1 / log n = 0.161: was n beta meant"},
        ),
        (
            {"excess": np.where(HEALTHY.excess < 2 / SLOPES, -HEALTHY.excess, HEALTHY.excess), "gradient_norm": 0.0},
            {"w*:": r"norm 0; .*falls by 0.05, and \d% of the draws lie below w., the lowest by 2 "},
        ),
        (
            {
                "excess": np.zeros((4, 1000)),
                "distance": np.zeros((4, 1000)),
                "acceptance": 0.0,
                "bias": np.zeros((4, 9)),
            },
            {"R-hat": "no chain has moved", "acceptance": "step 0.001 is too large", "w*:": "falls by 0.05"},
        ),
        (
            {"excess": SLOW, "distance": SLOW, "gamma": 0.0},
            {"R-hat": "wander along them for ever", "ESS": "With gamma = 0 nothing holds"},
        ),
    ],
)
def test_each_diagnostic_flags_what_is_wrong_and_nothing_else(changes, flagged):
    # Kills: any threshold turned round or in other units; a sentence for another figure.
    result = made(**changes)
    found = {text.split()[0]: text for text in result.problems()}
    assert found.keys() == flagged.keys()
    for name, sentence in flagged.items():
        assert re.search(sentence, found[name]), found[name]
    report = result.check()
    assert report.count("LOOK  ") == len(flagged)
    assert report.startswith(f"Estimate({result.estimate:.4g}")


def test_share_below_is_said_only_where_batches_do_not_decide_it():
    low = HEALTHY.excess - np.quantile(HEALTHY.excess, 0.25)
    assert "25% of the draws lie below w*" in made(excess=low).check()
    assert "lie below" not in made(excess=low, settings=Settings(batch_size=10)).check()
    assert "lie below" not in made(excess=low, settings=Settings(eval_size=10)).check()
    assert "25% of the draws" in made(excess=low, settings=Settings(batch_size=10, eval_size=N)).check()
    assert "25% of the draws" in made(excess=low, settings=Settings(sampler="mala", eval_size=10)).check()
