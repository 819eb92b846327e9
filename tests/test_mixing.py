"""R-hat and effective draws of many quantities at once: ArviZ's figures, the published formulas, known chains."""

import itertools

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from slt import _mixing


def normal_scores(a):
    return stats.norm.ppf((stats.rankdata(a).reshape(a.shape) - 3 / 8) / (a.size + 1 / 4))


def naive_rhat(x):
    """The two formulas of Vehtari et al. (2021), written out."""

    def split_rhat(halves):
        s = halves.shape[1]
        within = halves.var(1, ddof=1).mean()
        return np.sqrt((s - 1) / s + halves.mean(1).var(ddof=1) / within)

    half = x.shape[1] // 2
    halves = np.vstack([x[:, :half], x[:, -half:]])
    return max(split_rhat(normal_scores(a)) for a in (halves, abs(halves - np.median(halves))))


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_rhat_is_the_published_formula(shift, rng):
    x = rng.exponential(size=(4, 100)) * np.array([[1.0], [1.0], [1.0], [1 + shift]]) + shift * np.arange(4)[:, None]
    np.testing.assert_allclose(_mixing.rhat(x), naive_rhat(x), rtol=1e-10)


@pytest.mark.parametrize("draws", [200, 201])
def test_one_chain_is_judged_by_its_halves(draws, rng):
    # The middle draw of an odd number is left out. Kills: NaN for one chain; the second half that starts at S // 2.
    x = rng.exponential(size=(1, draws, 2)) + np.array([0.0, 1.0]) * np.linspace(0, 1, draws)[:, None]
    halves = np.stack([x[0, :100, 1], x[0, -100:, 1]])
    np.testing.assert_allclose(_mixing.rhat(x)[1], naive_rhat(halves), rtol=1e-10)
    assert _mixing.rhat(x)[0] < 1.02 < 1.05 < _mixing.rhat(x)[1]


def naive_ess(x):
    """Geyer's initial monotone sequence over split chains, as in section 3.2 of Vehtari et al. (2021)."""
    half = x.shape[1] // 2
    x = np.vstack([x[:, :half], x[:, -half:]]).astype(float)
    m, n = x.shape
    centred = x - x.mean(1, keepdims=True)
    lags = np.array([[(c[: n - t] * c[t:]).sum() / n for t in range(n)] for c in centred]).mean(0)
    within = lags[0] * n / (n - 1)
    rho = 1 - (within - lags) / (lags[0] + x.mean(1).var(ddof=1))
    rho[0] = 1.0
    pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(1)
    pairs = np.minimum.accumulate(pairs[: np.argmax(pairs < 0)])
    return m * n / (2 * pairs.sum() - 1)


def test_ess_is_the_published_formula(rng):
    # An autoregression turned into Cauchy draws whose upper tail comes and goes: values, ranks and indicators of
    # quantiles differ in their effective sample sizes by more than the 2 % left for the last pair of lags, which the
    # source leaves open. Kills: tail quantiles 25 % and 75 %, "mean" in place of "bulk" as the default.
    x = stats.cauchy.ppf(stats.norm.cdf(autoregression(0.8, 500, rng)))
    x = np.where(x < 0, x, x * np.exp(0.5 * np.sin(np.arange(500) / 40)))
    mean, bulk = naive_ess(x), naive_ess(normal_scores(x))
    tail, inner = (min(naive_ess(x <= np.quantile(x, q)) for q in (p, 1 - p)) for p in (0.05, 0.25))
    assert min(abs(a / b - 1) for a, b in itertools.combinations((mean, bulk, tail, inner), 2)) > 0.05
    np.testing.assert_allclose(_mixing.ess(x), bulk, rtol=0.02)
    np.testing.assert_allclose(_mixing.ess(x, method="mean"), mean, rtol=0.02)
    np.testing.assert_allclose(_mixing.ess(x, method="tail"), tail, rtol=0.02)


def test_rhat_and_ess_keep_the_axes_of_a_parameter(rng):
    x = rng.normal(size=(4, 50, 2, 3))
    assert _mixing.rhat(x).shape == _mixing.ess(x).shape == (2, 3)
    np.testing.assert_allclose(_mixing.rhat(x)[1, 2], _mixing.rhat(x[:, :, 1, 2]))
    np.testing.assert_allclose(_mixing.ess(x, method="tail")[0, 1], _mixing.ess(x[:, :, 0, 1], method="tail"))


def autoregression(rho, draws, rng, chains=4):
    """Chains of the stationary AR(1) process with standard normal marginals."""
    x = np.empty((chains, draws))
    x[:, 0] = rng.normal(size=chains)
    noise = np.sqrt(1 - rho**2) * rng.normal(size=x.shape)
    for t in range(1, draws):
        x[:, t] = rho * x[:, t - 1] + noise[:, t]
    return x


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.8])
def test_ess_of_an_autoregression(rho, rng):
    # AR(1): ESS of the mean is S (1 - rho)/(1 + rho). The estimate has the relative sd sqrt(2 (2M + 1)/S) (Sokal 1997),
    # M the number of lags until rho^M is lost in noise: at rho = 0.8, S = 40000 some 20, hence 0.045. Over 60 seeds the
    # sd was 0.029, 0.014 and 0.044 for the three rho; 0.18 is four times the largest.
    # Kills: the autocorrelation time without its factor 2, which is off by 40 % and 80 %.
    x = autoregression(rho, 10_000, rng)
    np.testing.assert_allclose(_mixing.ess(x, method="mean"), x.size * (1 - rho) / (1 + rho), rtol=0.18)


@pytest.mark.parametrize("function", [_mixing.rhat, _mixing.ess])
@pytest.mark.parametrize("x", [np.zeros(100), np.zeros((4, 3))])
def test_diagnostics_refuse_what_is_not_chains(function, x):
    with pytest.raises(ValueError, match=r"needs shape \(chains, draws, \.\.\.\) with at least four draws"):
        function(x)


def awkward(rng, rho, chains, draws):
    """Columns that exercise every branch: ties, stuck chains, NaN, infinity, heavy tails, alternation, two values."""
    x = np.stack([autoregression(rho, draws, rng, chains) for _ in range(9)], axis=-1)
    x[..., 0] = np.round(x[..., 0])
    x[..., 1] = 0.3
    x[:, :, 2] = x[:, :1, 2]
    x[0, 1, 3] = np.nan
    x[0, 0, 4] = np.inf
    x[..., 5] = np.exp(9 * x[..., 5])
    x[..., 6] = x[..., 6] > 0
    x[..., 7] *= (-1.0) ** np.arange(draws)
    return x


@pytest.mark.parametrize("rho", [-0.9, 0.5, 0.99])
@pytest.mark.parametrize(("chains", "draws"), [(4, 200), (4, 201), (2, 4), (2, 5), (3, 7), (4, 11), (2, 13)])
def test_the_figures_are_those_of_arviz(rho, chains, draws, rng):
    # Kills: ranks of ties not shared, a pair of lags too many or too few, the last even lag left out, the
    # variance between chains with ddof 0, the fold around the mean, the middle draw kept, NaN passed over.
    x = awkward(rng, rho, chains, draws)
    axes = {"chain_axis": 0, "draw_axis": 1}
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(_mixing.rhat(x), array_stats.rhat(x, **axes), rtol=1e-9)
        for method, options in {"bulk": {}, "mean": {}, "tail": {"prob": (0.05, 0.95)}}.items():
            want = array_stats.ess(x, method=method, **axes, **options)
            np.testing.assert_allclose(_mixing.ess(x, method=method), want, rtol=1e-9, err_msg=method)
