"""What a plain install, without extras, must be able to do; run in an environment that has only the wheel.

`tests/book/test_notebooks.py` and the workflow `test.yml` run it. It prints one line, or fails.
"""

import importlib.util
import math

import jax
import numpy as np
import numpyro.distributions as dist

import slt

EXTRAS = ("plotly", "sphinx", "jupyter_book", "hypothesis", "beartype", "playwright")
present = [name for name in EXTRAS if importlib.util.find_spec(name)]
assert not present, f"this is no plain install: it has {present}"

# Two draws with densities 1/2 and 1/4 at one of three observations: closed forms.
log_lik = np.log([[0.5, 0.5, 0.5], [0.25, 0.5, 0.5]])
assert math.isclose(slt.training_loss(log_lik)[0], -math.log(0.375))
assert math.isclose(slt.functional_variance(log_lik)[0], (math.log(2) / 2) ** 2)
x = np.array([0.3, -1.2, 2.0, 0.7])
triple = slt.Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
sum_x, n = x.sum(), len(x)
exact = n / 2 * math.log(2 * math.pi) + math.log(n + 1) / 2 + (x**2).sum() / 2 - sum_x**2 / (2 * (n + 1))
energy = slt.free_energy(jax.random.key(0), triple, x)
assert abs(energy.value - exact) < 5 * energy.se, (energy, exact)
assert slt.rlct.normal_crossing([1, 1], [0, 0]).multiplicity == 2
assert slt.log_lik(slt.data.fit("pymc")).shape[1] == 8
summary = slt.summary_from(slt.data.fit("stan"))
assert abs(8 * summary.figures["training"].value - 29.846) < 32 * summary.figures["training"].draws, summary
# Every public module loads and computes.
assert all(getattr(slt, name) is not None for name in slt.__all__)
coin, data = slt.conjugate.bernoulli(1.0, 1.0), np.array([1, 0, 1])
assert math.isclose(slt.conjugate.log_evidence(coin, data), math.log(1 / 12))
grid = slt.quadrature.posterior(triple, x, bounds={"mu": (-6.0, 6.0)})
assert math.isclose(-grid.log_evidence, exact, rel_tol=1e-5), grid
found = slt.experiment.conjugate_experiment(jax.random.key(0), dist.Bernoulli(0.3), coin, 5, datasets=3)
assert (found.cv >= found.training).all()
assert slt.zoo.tanh_unit().coefficient.multiplicity == 2
chains = slt.samplers.metropolis.sample(jax.random.key(0), triple, x, draws=1000)
fit = slt.estimate.singular_fluctuation(chains.log_lik, chains=4)
assert abs(2 * fit.value - ((x - sum_x / (n + 1)) ** 2 / (n + 1)).sum() - n / (2 * (n + 1) ** 2)) < 8 * fit.se, fit
tree = slt.to_datatree(chains)
assert slt.from_datatree(tree).diagnostics.chains == 4
assert math.isclose(-slt.waic(tree).elpd / n, slt.waic_loss(np.float64(chains.log_lik)).mean(), rel_tol=1e-6)
assert math.isclose(slt.local.quadratic_expectation([1.0, 2.0], 100), 1.0)
# A slider is HTML that the browser draws: it needs no plotly here.
slider = slt.plots.slider([{"line": [0, 1]}, {"line": [0, 2]}], [0, 1], labels=["1", "2"], title="slope", alt="Lines.")
assert "plotly" in slider._repr_html_()
print("core", slt.__version__)
