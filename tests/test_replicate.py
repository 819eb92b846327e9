"""Many data sets in one program: against closed forms on the same data, against the theory, and after a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import special

import slt
from slt import Triple, _many, _program, _replicate, _verify, _work, conjugate, zoo
from slt._target import Same
from slt.samplers import gibbs

TRIPLE = Triple(dist.Normal(0.7, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(-1, 2)})
N, KEY = 12, jax.random.key(5)


@pytest.fixture(scope="module")
def tempered():
    return slt.replicate(KEY, TRIPLE, N, datasets=60, beta=0.5)


def data_sets(count):
    keys = jax.vmap(lambda r: jax.random.fold_in(KEY, r))(jnp.arange(count))
    return [slt.draw_data(jax.random.fold_in(k, 0), TRIPLE, N)[0] for k in keys]


def test_every_column_against_closed_forms_on_the_same_data(tempered):
    # Each data set against exact averages over N(mean, 1 / precision), at beta = 1/2. Mutants: beta left out of the
    # posterior, of W or of V; the second temperature 1/2 instead of 1/log n; G without the shift of the truth, 0.7.
    rows = []
    for x in map(np.asarray, data_sets(60)):
        own = 0.5 * (x - 0.7) ** 2 + 0.5 * np.log(2 * np.pi)
        s2 = 1 / (0.5 * N + 1 / 4)
        m = s2 * (0.5 * x.sum() - 1 / 4)
        training = 0.5 * np.log(2 * np.pi * (1 + s2)) + (x - m) ** 2 / (2 * (1 + s2))
        variance = s2 * (x - m) ** 2 + s2**2 / 2
        g = 0.5 * np.log(1 + s2) + (1 + (m - 0.7) ** 2) / (2 * (1 + s2)) - 0.5
        b = 1 / np.log(N)
        c2 = 1 / (b * N + 1 / 4)
        c = c2 * (b * x.sum() - 1 / 4)
        wbic = 0.5 * ((x - c) ** 2).sum() + N * c2 / 2 + N / 2 * np.log(2 * np.pi) - own.sum()
        square = N * (c - x.mean())
        rows.append(
            {
                "generalization_error": g,
                "training_error": (training - own).mean(),
                "waic_error": (training + 0.5 * variance - own).mean(),
                "gibbs_generalization_error": 0.5 * ((m - 0.7) ** 2 + s2),
                "gibbs_training_error": (0.5 * ((x - m) ** 2 + s2) + 0.5 * np.log(2 * np.pi) - own).mean(),
                "functional_variance": variance.sum(),
                "empirical_entropy": own.mean(),
                "wbic_excess": wbic,
                "rlct": b**2 * (square**2 * c2 + N**2 * c2**2 / 2),
                "singular_fluctuation": 0.25 * variance.sum(),
            }
        )
    for name in rows[0]:
        exact = np.array([row[name] for row in rows])
        apart = np.asarray(getattr(tempered, name)) - exact
        se = apart.std(ddof=1) / np.sqrt(len(apart))
        assert abs(apart.mean()) < 4 * se + 1e-9, (name, apart.mean(), se)
        # Data set by data set, not only on average; the variance of a chi-square has a noise of 14 % in 700 draws.
        assert apart.std() < (0.17 * 0.5 if name == "rlct" else 0.25 * exact.std() + 1e-9), name


def test_leave_one_out_at_beta_one_against_the_closed_form():
    found = slt.replicate(KEY, TRIPLE, N, datasets=25)
    family = conjugate.normal_mean(1.0, -1.0, 2.0)
    exact = [float(np.mean(slt.exact_cv(family, np.asarray(x)))) for x in data_sets(25)]
    apart = found.cv_error + found.empirical_entropy - np.array(exact)
    assert abs(apart.mean()) < 4 * apart.std(ddof=1) / 5  # kills: the training loss, which is 0.09 lower
    assert apart.std() < 0.02


def test_the_free_energy_is_that_of_the_closed_form():
    found = slt.replicate(KEY, TRIPLE, N, datasets=2, free_energy=True)
    family = conjugate.normal_mean(1.0, -1.0, 2.0)
    exact = [-float(conjugate.log_evidence(family, np.asarray(x))) for x in data_sets(2)]
    energy = found.free_energy_excess + N * found.empirical_entropy
    np.testing.assert_allclose(energy, exact, atol=0.1)
    # One program for all data sets does what one call for each would do. Kills: another key, another beta.
    one_by_one = [
        slt.tempered_smc(jax.random.fold_in(jax.random.fold_in(KEY, r), 9), TRIPLE, x).free_energy.value
        for r, x in enumerate(data_sets(2))
    ]
    np.testing.assert_allclose(energy, one_by_one, rtol=1e-9)


def test_a_data_set_depends_on_its_number_alone(tempered):
    fewer = slt.replicate(KEY, TRIPLE, N, datasets=26, beta=0.5)
    np.testing.assert_array_equal(fewer.empirical_entropy, tempered.empirical_entropy[:26])
    np.testing.assert_array_equal(fewer.rlct, tempered.rlct[:26])


TRACED = []


def independent(key, data, *, beta):
    TRACED.append(beta)
    return {"mu": jax.random.normal(key, (4, 400)) / 4}


@pytest.mark.parametrize("sampler", [None, independent])
def test_a_second_experiment_compiles_nothing(sampler):
    # Kills: a program built anew for each call, or its sampler for each chunk and temperature.
    slt.replicate(KEY, TRIPLE, 13, datasets=25, beta=0.5, sampler=sampler)  # an n of its own
    held = _program.program(Same(TRIPLE), Same(sampler), 13, 0.5, True)
    before, missed = [part._cache_size() for part in held.attempts], _program.program.cache_info().misses
    traced = len(TRACED)
    slt.replicate(jax.random.key(6), TRIPLE, 13, datasets=50, beta=0.5, sampler=sampler)
    assert [part._cache_size() for part in held.attempts] == before == ([1] if sampler else [1, 0, 0])
    assert len(TRACED) == traced == (1 if sampler else 0)
    assert _program.program.cache_info().misses == missed


def prior(key, data, *, beta, draws):
    TRACED.append(beta)
    return {"p": jax.random.dirichlet(key, jnp.ones(2), (4, draws))}


def test_what_is_written_in_line_compiles_nothing_a_second_time():
    # Kills: a constructor of the zoo that builds its functions anew, or a sampler= that is known by its address.
    def found():
        model = zoo.multinomial(probabilities=np.array([0.25, 0.75]))
        return slt.replicate(KEY, model, N, datasets=2, sampler=partial(prior, draws=400))

    before, first, again = len(TRACED), found(), found()
    assert len(TRACED) == before + 1
    np.testing.assert_array_equal(first.rlct, again.rlct)
    # Kills: a key without the arguments, and one that cannot hold an array.
    assert Same(partial(prior, draws=400)) != Same(partial(prior, draws=500))
    assert Same(partial(prior, draws=jnp.ones(1))) != Same(partial(prior, draws=jnp.ones(1)))
    assert zoo.multinomial(probabilities=[0.75, 0.25]).triple is not zoo.multinomial(probabilities=[0.25, 0.75]).triple


def test_gibbs_takes_the_place_of_nuts():
    # n E[G - S] and n E[C - S_n] are rlct - (m - 1) / log n up to smaller terms: reduced rank 2-1-2, truth 0, m = 2.
    # Kills: twice or half of either error.
    specimen = zoo.reduced_rank(inputs=2, hidden=1, outputs=2, rank=0)
    sampler = partial(gibbs.run, model=gibbs.ReducedRank(1, noise=1.0, sd=1.0), chains=4, draws=300, thin=3)
    found = slt.replicate(KEY, specimen, 200, datasets=50, sampler=sampler)
    both = 200 * (found.generalization_error + found.cv_error)
    pair = specimen.coefficient
    expected = 2 * (float(pair.rlct) - (pair.multiplicity - 1) / np.log(200))
    assert abs(both.mean() - expected) < 4 * both.std(ddof=1) / np.sqrt(50)
    assert found.correlation("generalization_error", "cv_error") < -0.7


def slope_posterior(x, y, beta):
    """Mean and variance of the slope under N(0, 4), unit noise."""
    precision = beta * (x**2).sum() + 1 / 4
    return beta * (x * y).sum() / precision, 1 / precision


def exact_slopes(key, data, *, beta):
    mean, variance = slope_posterior(*data, beta)
    return {"w": mean + jnp.sqrt(variance) * jax.random.normal(key, (4, 500))}


def test_the_held_out_error_of_each_data_set_is_near_the_exact_one():
    # A regression on random inputs: G - S by quadrature over x, data set by data set. Kills: the control variate left
    # out or with the other sign (an error of 0.6 of the mean).
    line = Triple(
        lambda x: dist.Normal(0.8 * x, 1),
        lambda x, w: dist.Normal(w * x, 1),
        {"w": dist.Normal(0, 2)},
        dist.Normal(0, 1),
    )
    found = slt.replicate(KEY, line, 200, datasets=50, sampler=exact_slopes)
    keys = jax.vmap(lambda r: jax.random.fold_in(KEY, r))(jnp.arange(50))
    node, weight = slt.quadrature.nodes(dist.Normal(0, 1))
    exact = []
    for key in keys:
        mean, variance = slope_posterior(*slt.draw_data(jax.random.fold_in(key, 0), line, 200), 1.0)
        wide = 1 + variance * node**2
        exact.append(weight @ (0.5 * np.log(wide) + (1 + (mean - 0.8) ** 2 * node**2) / (2 * wide) - 0.5))
    apart = found.generalization_error - np.array(exact)
    assert apart.std(ddof=1) < 0.25 * np.mean(exact)
    assert abs(apart.mean()) < 4 * apart.std(ddof=1) / np.sqrt(50)


def test_a_store_of_another_experiment_is_refused(tmp_path):
    slt.replicate(KEY, TRIPLE, N, datasets=2, store=tmp_path)
    assert json.loads((tmp_path / "experiment.json").read_text())["n"] == N
    with pytest.raises(ValueError, match=r"another experiment: it has beta 1\.0, not 0\.5"):
        slt.replicate(KEY, TRIPLE, N, datasets=2, beta=0.5, store=tmp_path)
    other = Triple(dist.Normal(0.7, 1), lambda mu: dist.Normal(mu, 2), {"mu": dist.Normal(-1, 2)})
    with pytest.raises(ValueError, match="program"):
        slt.replicate(KEY, other, N, datasets=2, store=tmp_path)


FLEET = """
import os, signal, sys, jax
rank, size, port, victim, store = *map(int, sys.argv[1:5]), sys.argv[5]
jax.config.update("jax_enable_x64", True)
if size > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", size, rank)
import numpy as np, numpyro.distributions as dist
import slt
from slt import Triple, _replicate
_replicate.CHUNK = 2
move = os.replace
def fatal(temporary, path):
    if path.stem == f"part-{victim:06d}":
        os.kill(os.getpid(), signal.SIGKILL)
    move(temporary, path)
os.replace = fatal
def sampler(key, data, *, beta):
    return {"mu": jax.random.normal(key, (4, 400)) / 4}
triple = Triple(dist.Normal(0.7, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(-1, 2)})
if store == "-":
    found = slt.replicate(jax.random.key(5), slt.zoo.normal(), 50, datasets=9)
else:
    found = slt.replicate(
        jax.random.key(5), triple, 12, datasets=9, beta=0.5, sampler=sampler, store=f"{store}/{rank}"
    )
devices = jax.local_device_count(), jax.process_count()
np.savez(sys.argv[6], devices=devices, **{k: getattr(found, k) for k in _replicate.NAMES})
"""


def start(tmp_path, out, *, devices=1, rank=0, size=1, port=0, victim=-1, store="-"):
    environment = os.environ | {
        "PYTHONPATH": str(slt.__path__[0]).removesuffix("/slt"),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    arguments = [*map(str, (rank, size, port, victim, store, tmp_path / out))]
    return subprocess.Popen([sys.executable, "-c", FLEET, *arguments], env=environment, stderr=subprocess.DEVNULL)


def same(found, path, devices):
    with np.load(path) as other:
        assert other["devices"].tolist() == devices
        for name in _replicate.NAMES:
            np.testing.assert_array_equal(other[name], getattr(found, name), err_msg=name)


@pytest.fixture
def chunks_of_two(monkeypatch):
    """In this process too: nine data sets are five chunks."""
    monkeypatch.setattr(_replicate, "CHUNK", 2)


def test_each_device_works_on_one_chunk_at_a_time_and_an_error_drops_what_has_not_begun():
    # Two devices and ten chunks. The first two wait for each other, so that one thread alone would fail; the third
    # fails, and those after it last until that is known. Kills: chunks one after the other, two on one device at a
    # time, an error swallowed, all ten computed for nothing.
    both, known, busy, begun, found = threading.Barrier(2, timeout=30), threading.Event(), set(), [], []

    def compute(chunk, device):
        assert device not in busy
        busy.add(device)
        begun.append(chunk)
        if chunk < 2:
            both.wait()
        if chunk > 2:
            known.wait(30)
            time.sleep(0.3)
        busy.remove(device)
        if chunk == 2:
            raise RuntimeError("chunk 2")
        return 10 * chunk

    def collect(results):
        try:
            found.extend((chunk, result()) for chunk, result in results)
        finally:
            known.set()

    with pytest.raises(RuntimeError, match="chunk 2"), _work.on_devices(compute, range(10), "ab") as results:
        collect(results)
    assert found == [(0, 0), (1, 10)]
    assert len(begun) < 7


@pytest.mark.slow
def test_devices_change_no_digit(chunks_of_two, tmp_path):
    # Five chunks on one device, on two and on eight (of which five are used). Kills: one program over all devices,
    # which rounds otherwise, a batch whose size depends on the devices, chunks in another order.
    running = {devices: start(tmp_path, f"{devices}.npz", devices=devices) for devices in (2, 8)}
    found = slt.replicate(KEY, zoo.normal(), 50, datasets=9)
    for devices, process in running.items():
        assert process.wait() == 0
        same(found, tmp_path / f"{devices}.npz", [devices, 1])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_two_processes_change_no_digit_and_one_that_dies_loses_no_finished_chunk(chunks_of_two, tmp_path):
    # Two processes with two devices and one, each with a store. The second is killed as it moves chunk 3 to its place,
    # having kept chunk 1; the first keeps all of its own, and two new processes go on from there to the figures of one.
    # Kills: chunks that are shared out or put together otherwise, a store that is written at the end.
    def fleet(victim):
        port = free_port()
        return [
            start(tmp_path, f"{r}.npz", devices=2 - r, rank=r, size=2, port=port, victim=victim, store=tmp_path)
            for r in (0, 1)
        ]

    def kept():
        return sorted(p.stem for p in tmp_path.glob("*/part-??????.npz"))

    first, second = fleet(3)
    assert second.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while len(kept()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()  # it waits until JAX misses the other's heartbeat
    first.wait()
    assert kept() == [f"part-{i:06d}" for i in (0, 1, 2, 4)]
    again = fleet(-1)
    found = slt.replicate(KEY, TRIPLE, N, datasets=9, beta=0.5, sampler=independent)
    assert [p.wait() for p in again] == [0, 0]
    for r in (0, 1):
        same(found, tmp_path / f"{r}.npz", [2 - r, 2])


def product_moments(x, beta=1.0):
    """V_n and the spread of its terms for N(ab, 1), a ~ N(0, 3), b ~ N(0, 2), by quadrature over c = ab."""
    c = np.linspace(-3, 3, 200_001)[:-1] + 1.5e-5  # midpoints: the prior of c has a pole at 0
    log_lik = -0.5 * (x[:, None] - c) ** 2
    weight = special.k0(np.abs(c) / 6) * np.exp(beta * (log_lik.sum(0) - log_lik.sum(0).max()))
    weight /= weight.sum()
    apart = ((log_lik - log_lik @ weight[:, None]) ** 2).sum(0)
    return apart @ weight, np.sqrt(weight @ (apart - apart @ weight) ** 2)


def test_a_singular_posterior_is_sent_to_nuts():
    # A posterior along two crossing lines: the fixed length diverges in its arms, and NUTS does not. Kills: divergences
    # that are not looked at, figures of the first attempt kept, V_n of the other temperature.
    product = Triple(
        dist.Normal(0.2, 1), lambda a, b: dist.Normal(a * b, 1), {"a": dist.Normal(0, 3), "b": dist.Normal(0, 2)}
    )
    found = slt.replicate(KEY, product, 60, datasets=5)
    assert found.redrawn.all()
    keys = [jax.random.fold_in(KEY, r) for r in range(5)]
    sets = [np.asarray(slt.draw_data(jax.random.fold_in(k, 0), product, 60)[0]) for k in keys]
    exact, spread = np.transpose([product_moments(x) for x in sets])
    z = (found.functional_variance - exact) / (spread / np.sqrt(found.ess))
    assert abs(z.sum()) < 4 * np.sqrt(5), z
    assert np.abs(z).max() < 5, z


def test_the_kernel_is_chosen_by_diagnostics_and_failures_are_counted(monkeypatch):
    # A stand-in whose chains lie apart in as many attempts as the first observation says. Kills: an attempt skipped or
    # not counted, another's figures put in a row's place, a data set that never mixes passed over in silence.
    def level(x):
        return jnp.digitize(x, jnp.array([0.0, 0.7, 1.4]))

    def run(keys, density, data, weights, beta, *, draws, warmup, nuts):
        attempt = (1 if draws == _many.DRAWS else 2) if nuts else 0
        u = jax.vmap(lambda key: jax.random.normal(key, (4, draws, 1)))(keys) / 4
        apart = 3.0 * jnp.arange(4)[:, None, None] * (attempt < level(data[0][:, 0]))[:, None, None, None]
        return _many.Chains(u + apart + 10 * attempt, jnp.zeros(len(keys)))

    monkeypatch.setattr(_many, "run", run)
    triple = Triple(TRIPLE.truth, lambda mu: dist.Normal(mu, 1), TRIPLE.prior)  # not among the compiled ones
    with pytest.warns(slt.SltWarning) as caught:
        found = slt.replicate(KEY, triple, N, datasets=20)
    levels = np.array([level(x[0]) for x in data_sets(20)])
    assert np.bincount(levels, minlength=4).min() > 0
    np.testing.assert_array_equal(found.redrawn, np.minimum(levels, 2))
    np.testing.assert_array_equal((found.rhat < 1.02) & (found.ess > 200), levels < 3)
    for mean, of_level in ((0, levels == 0), (10, levels == 1), (20, levels == 2)):  # where each attempt's draws lie
        np.testing.assert_allclose(np.sqrt(2 * found.gibbs_generalization_error[of_level]), abs(mean - 0.7), atol=0.1)
    assert f"of {(levels == 3).sum()} of 20 data sets have not mixed" in str(caught[0].message)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n": 2}, ValueError, "n must be a whole number, at least 3; got 2"),
        ({"datasets": 0}, ValueError, "datasets must be a whole number"),
        ({"beta": 0.0}, ValueError, "beta"),
        ({"model": 3}, TypeError, "Triple or a Specimen"),
        ({"key": 0}, TypeError, "key"),
    ],
)
def test_bad_input_is_named(change, error, message):
    options = {"key": KEY, "model": TRIPLE, "n": N, "datasets": 2} | change
    with pytest.raises(error, match=message):
        slt.replicate(options.pop("key"), options.pop("model"), options.pop("n"), **options)


@pytest.mark.slow
@pytest.mark.parametrize(("specimen", "beta", "claims"), [(zoo.normal, 1.0, 12), (zoo.monomial, 0.5, 6)])
def test_verify_meets_the_theory_on_a_regular_and_a_singular_specimen(specimen, beta, claims):
    # Exact claims within four standard errors; the others within that and what a remainder O(1/n) may be here. Kills:
    # 2 beta for beta in the equations of state, nu for -nu in E[T], n - 1 for n.
    found = slt.verify(jax.random.key(1), specimen(), 100, datasets=50, betas=(beta,))
    assert len({c.formula for c in found.claims}) == len(found.claims) == claims
    for claim in found.claims:
        scale = np.log(100) if "log n =" in claim.formula else 1.0  # WBIC - n S_n itself, in nats
        assert scale * abs(claim.left - claim.right) < 4 * scale * claim.se + (0 if claim.exact else 0.15), claim


def obedient(key, specimen, n, *, beta=1.0, datasets=2, sampler=None, free_energy=False):
    """Two data sets that obey the theory with the specimen's pair and nu 0.6; G and C err by as much in opposite
    directions, and so do F and WBIC."""
    rlct, m, nu, noise = float(specimen.coefficient.rlct), specimen.coefficient.multiplicity, 0.6, np.array([0.2, -0.2])
    columns = dict.fromkeys(_replicate.NAMES, np.full(2, np.nan)) | {
        "generalization_error": ((rlct - nu) / beta + nu + noise) / n,
        "training_error": ((rlct - nu) / beta - nu + 0 * noise) / n,
        "gibbs_generalization_error": (rlct / beta + nu + 0 * noise) / n,
        "gibbs_training_error": (rlct / beta - nu + 0 * noise) / n,
        "cv_error": (rlct - noise) / n,
        "waic_error": (rlct - 0.5 * noise) / n,
        "wbic_excess": rlct * np.log(n) + 0 * noise,
        "free_energy_excess": (rlct * np.log(n) - (m - 1) * np.log(np.log(n)) + 3 + noise) / beta
        if free_energy
        else np.full(2, np.nan),
        "rlct": rlct + noise,
        "singular_fluctuation": nu + 0 * noise,
    }
    return _replicate.Replicated(**columns, n=n, beta=beta)


def test_the_claims_of_verify_are_the_formulas_of_the_theory(monkeypatch):
    # Kills: 2 for 2 beta, nu for -nu, beta for 1 / beta, n for n - 1, unpaired errors.
    monkeypatch.setattr(_verify, "replicate", obedient)
    found = slt.verify(KEY, zoo.monomial(), 100, datasets=2, betas=(1.0, 0.5))
    assert len(found.claims) == 18
    first, *others = found.claims
    assert (first.left, first.right) == (pytest.approx(0.25), pytest.approx(0.25 * 100 / 99))
    for claim in others:
        assert claim.left == pytest.approx(claim.right, abs=1e-12), claim
    se = {(c.formula, c.beta): c.se for c in found.claims}
    assert se["n(G - S) + n(C - S_n) = 2 rlct", 1.0] == pytest.approx(0, abs=1e-12)  # paired: the noise cancels
    assert se["n E[W] = n E[C]", 1.0] == pytest.approx(0.1)
    assert se["n(G - S) = (rlct - nu) / beta + nu", 0.5] == pytest.approx(0.2)
    assert first.se == pytest.approx(0.2 * np.hypot(1, 100 / 99))


def test_the_free_energy_claims_of_verify(monkeypatch):
    # Kills: m for m - 1, n for 4n, F for beta F, the loglog term with the other sign, the constant 3 left in.
    monkeypatch.setattr(_verify, "replicate", obedient)
    specimen = zoo.monomial(powers=(1, 1))  # rlct 1/2, m = 2
    found = slt.verify(KEY, specimen, 100, datasets=2, betas=(1.0, 0.5), free_energy=True)
    plain = slt.verify(KEY, specimen, 100, datasets=2, betas=(1.0, 0.5))
    assert {c.formula for c in plain.claims} == {c.formula for c in found.claims if "F" not in c.formula}
    wbic, one, half = (c for c in found.claims if "F" in c.formula)
    assert (one.beta, half.beta) == (1.0, 0.5)
    for claim in (one, half):
        assert claim.left == pytest.approx(np.log(4) / 2 - np.log(np.log(400) / np.log(100)))
        assert claim.left == pytest.approx(claim.right)
        assert claim.se == pytest.approx(np.hypot(0.2, 0.2))
    assert wbic.left - wbic.right == pytest.approx((np.log(np.log(100)) - 3) / np.log(100))
    assert wbic.se == pytest.approx(0.2 / np.log(100))


def test_the_record_prints_a_line_for_each_quantity():
    # Kills: whole arrays; the spread over data sets in the place of the error of the mean.
    record = obedient(KEY, zoo.monomial(), 100)
    columns = {name: getattr(record, name) for name in _replicate.NAMES}
    columns |= {"rhat": np.array([1.001, 1.5]), "ess": np.array([900.0, 7.0]), "redrawn": np.array([0, 2])}
    lines = repr(_replicate.Replicated(**columns, n=100, beta=0.5)).splitlines()
    assert lines[0] == "2 data sets of n=100, beta=0.5: mean ± se"
    # What is nan, as those that were not asked for, has no line.
    shown = dict(line.split(maxsplit=1) for line in lines[1:])
    assert set(shown) == set(_replicate.NAMES) - {"empirical_entropy", "functional_variance", "free_energy_excess"}
    assert shown["rlct"] == "0.2500 ± 0.2000"
    assert (shown["rhat"], shown["ess"], shown["redrawn"]) == ("at most 1.500", "at least 7", "1 in all")


def test_verify_refuses_what_has_no_such_theory():
    with pytest.raises(TypeError, match="Specimen"):
        slt.verify(KEY, TRIPLE, 10)
    with pytest.raises(ValueError, match="does not lie in the model"):
        slt.verify(KEY, zoo.normal(realizable=False), 8)
