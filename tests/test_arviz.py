"""The ArviZ adapter: agreement with ArviZ's own front door, known tails, trees there and back."""

import subprocess
import sys
from types import SimpleNamespace

import arviz
import numpy as np
import pytest
from scipy import stats

import slt
from slt import Posterior, SltWarning, _arviz, to_datatree
from slt.evidence import Tempered


@pytest.fixture
def log_lik(rng):
    """Three chains of a normal-mean posterior, with one outlier, so that k takes good and bad values."""
    x = np.array([-0.5, 0.1, 0.4, 1.0, 5.0])
    mu = rng.normal(1.0, 5**-0.5, size=(3, 400, 1))
    return stats.norm(mu, 1).logpdf(x)


def test_psis_gives_the_k_and_elpd_of_arviz_loo(log_lik):
    # Kills: the sign of the ratios, chains merged in another order than columns.
    tree = arviz.from_dict({"posterior": {"mu": log_lik[..., 0]}, "log_likelihood": {"x": log_lik}})
    with pytest.warns(UserWarning, match="shape parameter of Pareto"):  # the outlier
        want = arviz.loo(tree, pointwise=True, reff=1.0)
    flat = _arviz.from_datatree(tree)
    log_weights, k = _arviz.psis(-flat)
    np.testing.assert_allclose(k, want.pareto_k.values, atol=1e-8)
    np.testing.assert_allclose(np.log(np.exp(log_weights + flat).sum(0)), want.elpd_i.values, atol=1e-8)
    np.testing.assert_allclose(np.exp(log_weights).sum(0), 1, rtol=1e-12)


def test_psis_does_not_mind_a_constant_or_float32(log_lik):
    ratios = -log_lik.reshape(-1, 5)
    log_weights, k = _arviz.psis(ratios)
    shifted, k_shifted = _arviz.psis(ratios + 700.0)
    np.testing.assert_allclose(k_shifted, k, atol=1e-9)
    np.testing.assert_allclose(shifted, log_weights, atol=1e-9)
    assert _arviz.psis(ratios.astype(np.float32))[0].dtype == np.float64


@pytest.mark.parametrize("k", [0.2, 0.5, 0.9])
def test_psis_finds_the_index_of_a_pareto_tail(k):
    # Exact quantiles of a Pareto law; the tail holds 3 sqrt(10000) = 300 of them, where the maximum-likelihood sd of k
    # is (1 + k)/sqrt(300) <= 0.11. Quantiles have no such noise; 0.05 is left for the prior of the fit (10 at 0.5).
    # Kills: 1/k in place of k, the left tail.
    u = (np.arange(10_000) + 0.5) / 10_000
    assert abs(_arviz.psis(-k * np.log(1 - u)[:, None])[1][0] - k) < 0.05


@pytest.mark.parametrize("spread", [0.0, 1e-15])
def test_psis_leaves_weights_without_a_tail_alone(spread, rng):
    column = spread * rng.random((100, 1))
    log_weights, k = _arviz.psis(np.hstack([column, rng.normal(size=(100, 1))]))
    np.testing.assert_allclose(log_weights[:, 0], -np.log(100), atol=1e-12)
    assert k[0] == -np.inf
    assert np.isfinite(k[1])


def test_psis_of_two_valued_weights_is_bounded():
    ratios = np.repeat([0.0, 1.0], 50)[:, None]
    log_weights, k = _arviz.psis(ratios)
    np.testing.assert_allclose(log_weights[:, 0], ratios[:, 0] - np.log(50 + 50 * np.e), atol=1e-12)
    assert k[0] == -np.inf


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        (np.zeros(30), r"\(draws, n\); got \(30,\)"),
        (np.full((30, 2), np.nan), "60 of 60 entries"),
        (np.zeros((24, 2)), "at least 25 draws .* got 24"),
    ],
)
def test_psis_refuses(ratios, message):
    with pytest.raises(ValueError, match=message):
        _arviz.psis(ratios)


def test_datatree_round_trip(log_lik, rng):
    class Chains:
        chains = 3

    flat = log_lik.reshape(-1, 5)
    posterior = Posterior({"w": rng.normal(size=(1200, 2))}, flat, diagnostics=Chains())
    tree = to_datatree(posterior, data={"x": np.arange(5.0)})
    np.testing.assert_array_equal(tree.log_likelihood["x"].values, log_lik)
    np.testing.assert_array_equal(tree.posterior["w"].values[2, 7], posterior.draws["w"][807])
    assert tree.observed_data["x"].shape == (5,)
    np.testing.assert_array_equal(_arviz.from_datatree(tree), flat)


def test_a_posterior_comes_back_from_its_tree(rng):
    # Kills: draws and chains exchanged, beta forgotten, a verdict on all chains as one.
    w, log_lik = rng.normal(size=(3, 400, 2)), rng.normal(size=(1200, 5))
    w[0, :, 1] += 1.0  # one chain elsewhere
    posterior = Posterior({"w": w.reshape(-1, 2)}, log_lik, 0.5, diagnostics=SimpleNamespace(chains=3))
    with pytest.warns(SltWarning, match="beta=0.5"):
        back = slt.from_datatree(to_datatree(posterior))
    np.testing.assert_array_equal(back.draws["w"], posterior.draws["w"])
    np.testing.assert_array_equal(back.log_lik, log_lik)
    assert (back.beta, back.diagnostics.chains, back.diagnostics.draws) == (0.5, 3, 400)
    halves = arviz.rhat(arviz.from_dict({"posterior": {"w": w}}))["w"].values
    np.testing.assert_allclose(back.diagnostics.rhat["w"], halves, rtol=1e-6)
    assert halves[0] < 1.02 < 1.1 < halves[1]
    noted = {"diverging": rng.random((3, 400)) < 0.1}
    tree = arviz.from_dict({"posterior": {"w": w}, "sample_stats": noted})
    back = slt.from_datatree(tree)
    assert back.log_lik is None
    assert back.diagnostics.divergences == noted["diverging"].sum()
    group = tree.posterior.to_dataset().transpose("w_dim_0", "draw", "chain")  # Kills: axes taken by position
    np.testing.assert_array_equal(slt.from_datatree(SimpleNamespace(posterior=group)).draws["w"], w.reshape(-1, 2))


def test_every_record_with_draws_becomes_a_tree(rng):
    # Kills: a rung that is not the last, islands laid across the particles, beta of the record forgotten.
    w, log_lik = rng.normal(size=(2, 40)), rng.normal(size=(40, 3))
    top = Posterior({"w": w[-1]}, log_lik, diagnostics=SimpleNamespace(chains=4))
    ladder = slt.samplers.parallel_tempering.Replicas(top, np.array([0.0, 1.0]), {"w": w}, w.reshape(2, 4, 10), [0.4])
    back = slt.from_datatree(to_datatree(ladder))
    np.testing.assert_array_equal(back.draws["w"], w[-1])
    np.testing.assert_array_equal(back.log_lik, log_lik)
    assert back.diagnostics.chains == 4
    energy = slt.FreeEnergy(1.0, 0.1, beta=0.5)
    climb = Tempered(energy, np.array([0.0, 0.1, 0.5]), np.zeros((3, 5, 8)), np.zeros((3, 5)), {"w": w[0]})
    with pytest.warns(SltWarning, match="beta=0.5"):
        tree = to_datatree(climb)
    np.testing.assert_array_equal(tree.posterior["w"].values, w[0].reshape(5, 8))
    assert "log_likelihood" not in tree
    back = slt.from_datatree(tree)
    np.testing.assert_array_equal(back.draws["w"], w[0])
    assert (back.log_lik, back.beta, back.diagnostics.chains) == (None, 0.5, 5)


def test_what_is_no_tree_of_draws_is_refused(log_lik):
    with pytest.raises(TypeError, match="wants an ArviZ DataTree; got ndarray"):
        slt.from_datatree(log_lik)
    with pytest.raises(ValueError, match="no posterior group in this dict"):
        slt.from_datatree({"log_likelihood": {"y": log_lik}})
    draws = {"posterior": {"w": np.zeros((3, 400))}}
    with pytest.raises(ValueError, match=r"several observed variables; it has y: \(3, 400, 5\), z"):
        slt.from_datatree(draws | {"log_likelihood": {"y": log_lik, "z": log_lik}})
    with pytest.raises(ValueError, match="1200 draws of w and log-likelihoods of 300 draws"):
        slt.from_datatree(draws | {"log_likelihood": {"y": log_lik[:, :100]}})
    with pytest.raises(ValueError, match="no log_likelihood group"):
        slt.from_datatree(draws, var_name="y")


def test_a_tree_knows_its_temperature_and_warns_of_it(log_lik):
    # Kills: beta dropped, so that arviz.loo silently takes the draws for those of beta = 1.
    flat = log_lik.reshape(-1, 5)
    with pytest.warns(SltWarning, match=r"beta=0\.5; arviz\.loo .* slt\.cv_loss\(posterior\.log_lik, beta=0\.5\)"):
        tree = to_datatree(Posterior({"w": np.zeros(1200)}, flat, beta=np.float32(0.5)))
    assert tree.attrs == {"beta": 0.5}
    assert to_datatree(Posterior({"w": np.zeros(1200)}, flat, 1)).attrs == {"beta": 1.0}  # and no warning


def test_datatree_axes_in_any_order_and_stacked(log_lik):
    group = arviz.from_dict({"log_likelihood": {"x": log_lik}}).log_likelihood.to_dataset()
    turned = {"log_likelihood": {"x": group["x"].transpose("x_dim_0", "draw", "chain")}}
    stacked = {"log_likelihood": {"x": group["x"].stack(sample=("chain", "draw"))}}
    for tree in (turned, stacked):
        np.testing.assert_array_equal(_arviz.from_datatree(tree), log_lik.reshape(-1, 5))


def test_an_inference_data_of_arviz_0_is_a_tree(log_lik):
    # Its groups are attributes, xarray Datasets, and it is no mapping. ArviZ 0.23.4's own was read alike.
    # Kills: trees recognized by their type, or by `in`.
    group = arviz.from_dict({"log_likelihood": {"x": log_lik, "z": log_lik[..., :2]}}).log_likelihood.to_dataset()
    np.testing.assert_array_equal(slt.log_lik(SimpleNamespace(log_likelihood=group[["x"]])), log_lik.reshape(-1, 5))
    both = SimpleNamespace(log_likelihood=group, posterior=group)
    np.testing.assert_array_equal(slt.log_lik(both, var_name="z"), log_lik.reshape(-1, 5)[:, :2])
    with pytest.raises(ValueError, match=r"several observed variables; it has x: \(3, 400, 5\), z: \(3, 400, 2\)"):
        slt.log_lik(both)
    with pytest.raises(ValueError, match="no log_likelihood group in this SimpleNamespace"):
        slt.log_lik(SimpleNamespace(posterior=group))


def test_datatree_of_matrices_is_flattened(rng):
    a = rng.normal(size=(2, 10, 3, 4))
    np.testing.assert_array_equal(
        _arviz.from_datatree(arviz.from_dict({"log_likelihood": {"x": a}})), a.reshape(20, 12)
    )


def test_datatree_refuses():
    two = arviz.from_dict({"log_likelihood": {"x": np.zeros((4, 10, 3)), "y": np.zeros((4, 10, 7))}})
    with pytest.raises(
        ValueError, match=r"several observed variables; it has x: \(4, 10, 3\), y: \(4, 10, 7\).*var_name='x'"
    ):
        _arviz.from_datatree(two)
    with pytest.raises(ValueError, match="no observed variable 'z'"):
        _arviz.from_datatree(two, "z")
    assert _arviz.from_datatree(two, "y").shape == (40, 7)
    with pytest.raises(ValueError, match="no log_likelihood group"):
        _arviz.from_datatree(arviz.from_dict({"posterior": {"w": np.zeros((4, 10))}}))
    with pytest.raises(ValueError, match=r"got shape \(40,\)"):
        _arviz.from_datatree({"log_likelihood": {"x": np.zeros(40)}})
    with pytest.raises(TypeError, match=r"wants a Posterior, or what .*; got dict.*Posterior\(draws, slt.log_lik"):
        to_datatree({"w": np.zeros(2)})
    with pytest.raises(ValueError, match="weighted draws"):
        to_datatree(Posterior({"w": np.zeros(2)}, np.zeros((2, 3)), log_weights=np.zeros(2)))


def test_importing_the_library_does_not_import_arviz():
    code = "import sys, slt.losses, slt.interop, slt.posterior; print([m for m in sys.modules if m[:5] == 'arviz'])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_arviz_loaded_first_does_not_break_numpyro():
    # ArviZ leaves a lazy numpyro behind; without the repair in slt.interop the last line is an AttributeError.
    code = (
        "import arviz, numpyro.distributions as dist, slt.interop, numpyro\n"
        "print(dist.distribution.Unit, numpyro.handlers.trace(lambda: numpyro.factor('f', 1.0)).get_trace().keys())"
    )
    assert "'f'" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
