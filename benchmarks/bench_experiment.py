"""Many posteriors: slt's kernels, NumPyro's NUTS under `jit(vmap(...))` and in a loop; Gibbs beside NUTS for WBIC.

Four chains of 300 + 500 rounds each, float64. A unit is an effective draw of the worst data set, the smaller of those
of nL_n and of the draws' terms of V_n (bulk ESS), times the number of data sets: what a contestant needs to give every
data set as many. The posterior means of nL_n must agree within five Monte Carlo standard errors over the data sets that
both have drawn. JAX's persistent cache is off, so that compilation is compilation.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

from benchmarks.table import quick, race, report
from slt import Triple, _many, draw_data
from slt._mixing import ess
from slt._program import COMPILER
from slt._target import target
from slt.samplers import gibbs

CHAINS, WARMUP, DRAWS = _many.CHAINS, _many.WARMUP, _many.DRAWS
DATA_SETS, LOOPED = 25, 1
REPEATS = 1 if quick() else 5


def scale(mu, sigma):
    return dist.Normal(mu, sigma)


def logit(x, a, b, c):
    return dist.Bernoulli(logits=a + b * x[..., 0] + c * x[..., 1])


MODELS = {
    "normal mean and scale": Triple(
        dist.Normal(0.5, 2), scale, {"mu": dist.Normal(0, 10), "sigma": dist.HalfNormal(5.0)}
    ),
    "logistic regression, 3 parameters": Triple(
        lambda x: logit(x, 0.3, 1.0, -0.5),
        logit,
        dict.fromkeys("abc", dist.Normal(0, 2)),
        inputs=dist.Normal(jnp.zeros(2), 1.0).to_event(1),
    ),
}


class Problem:
    """A model's data sets, and each contestant's draws as log-likelihoods `(data sets, chains, draws, n)`."""

    def __init__(self, triple: Triple, n: int, count: int, model: Any, beta: float = 1.0):
        self.keys = jax.random.split(jax.random.key(1), count)
        self.data = jax.vmap(lambda key: draw_data(key, triple, n))(self.keys)
        self.density = target(triple, tuple(a[0] for a in self.data), {})[0]
        self.model, self.n, self.beta = model, n, beta
        self.vmapped = jax.jit(jax.vmap(self.expert))

    def ours(self, nuts: bool) -> Any:
        """A call for the chains, compiled as `slt.replicate` compiles them."""

        def draws(keys: Any, data: Any) -> Any:
            weights = jnp.ones((len(keys), self.n))
            return _many.run(keys, self.density, data, weights, self.beta, nuts=nuts).u

        return partial(jax.jit(draws, compiler_options=COMPILER), self.keys, list(self.data))

    def mcmc(self) -> MCMC:
        return MCMC(
            NUTS(self.model), num_warmup=WARMUP, num_samples=DRAWS, num_chains=CHAINS, chain_method="vectorized",
            progress_bar=False,
        )  # fmt: skip

    def expert(self, key: Any, *data: Any) -> Any:
        mcmc = self.mcmc()
        mcmc.run(key, *data)
        return mcmc.get_samples(group_by_chain=True)

    def loop(self, count: int) -> Any:
        """One `MCMC` object, kept between data sets."""
        mcmc, found = self.mcmc(), []
        for r in range(count):
            mcmc.run(self.keys[r], *(a[r] for a in self.data))
            found.append(mcmc.get_samples(group_by_chain=True))
        return jax.tree.map(lambda *a: jnp.stack(a), *found)

    def terms(self, draws: Any) -> np.ndarray:
        """log p(X_i|w) of each draw, by name or unconstrained."""

        def one(w, data):
            def term(w):
                u = self.density.unconstrain(w, list(data)) if isinstance(w, dict) else w
                return self.density.terms(u, list(data))

            return jax.vmap(jax.vmap(term))(w)

        count = len(next(iter(draws.values())) if isinstance(draws, dict) else draws)
        return np.asarray(
            jax.jit(lambda w, d: jax.lax.map(lambda a: one(*a), (w, d)))(draws, tuple(a[:count] for a in self.data))
        )


def quality(terms: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Effective draws of the worst data set times the data sets; the means of nL_n, and their errors."""
    apart = ((terms - terms.mean((1, 2), keepdims=True)) ** 2).sum(-1)
    total = terms.sum(-1)
    worst = min(ess(np.moveaxis(a, 0, -1)).min() for a in (total, apart))
    se = total.std((1, 2)) / np.sqrt(ess(np.moveaxis(total, 0, -1), method="mean"))
    return float(worst * len(terms)), total.mean((1, 2)), se


def agree(qualities: dict[str, Any]) -> None:
    """Raise unless the mean of each contestant is that of the first, over the data sets that both have."""
    (_, mean, se), *others = qualities.values()
    for name, (_, other, error) in zip(list(qualities)[1:], others, strict=True):
        k = min(len(mean), len(other))
        z = (other[:k] - mean[:k]) / np.hypot(error[:k], se[:k])
        if not abs(z.sum()) < 5 * np.sqrt(k):
            raise ValueError(f"{name} disagrees: the mean of nL_n is {z.mean():.2f} standard errors off on average.")


def compare(task: str, problem: Problem, contestants: dict[str, Any], repeats: int) -> None:
    """Race them, judge the draws of each first call, and report seconds per effective draw."""
    drawn: dict[str, Any] = {}

    def call(name: str) -> None:
        drawn.setdefault(name, jax.block_until_ready(contestants[name]()))

    rows = race(task, {name: partial(call, name) for name in contestants}, repeats=repeats)
    qualities = {name: quality(problem.terms(draws)) for name, draws in drawn.items()}
    agree(qualities)
    found = []
    for row in rows:
        effective, means, _ = qualities[row.who]
        seconds, first = row.seconds / effective, row.first / effective
        note = f"worst of {len(means)}: {effective / len(means):.0f} draws"
        ratio = seconds / found[0].seconds if found else 1.0
        found.append(row._replace(seconds=seconds, first=first, ratio=ratio, unit="effective draw", note=note))
    report(found)


def normal(x):
    mu, sigma = numpyro.sample("mu", dist.Normal(0, 10)), numpyro.sample("sigma", dist.HalfNormal(5.0))
    numpyro.sample("x", scale(mu, sigma), obs=x)


def logistic(x, y):
    a, b, c = (numpyro.sample(name, dist.Normal(0, 2)) for name in "abc")
    numpyro.sample("y", logit(x, a, b, c), obs=y)


def reduced_rank() -> None:
    """WBIC's temperature, 500 observations, 48 parameters: a matrix 6 x 6 of rank 3 in a model of rank 4."""
    n, rank = 500, 4
    model = gibbs.ReducedRank(rank)
    key_a, key_b = jax.random.split(jax.random.key(2))
    truth = 0.2**2 * jax.random.normal(key_b, (6, 3)) @ jax.random.normal(key_a, (3, 6))
    own = Triple(
        lambda x: dist.Normal(truth @ x, 0.1).to_event(1),
        lambda x, A, B: dist.Normal(B @ (A @ x), 0.1).to_event(1),
        model.triple(jnp.zeros((1, 6)), jnp.zeros((1, 6))).prior,
        inputs=dist.Normal(jnp.zeros(6), 3.0).to_event(1),
    )
    beta = float(1 / np.log(n))

    def tempered(x, y):
        A = numpyro.sample("A", own.prior["A"])
        B = numpyro.sample("B", own.prior["B"])
        with numpyro.handlers.scale(scale=beta):
            numpyro.sample("y", dist.Normal(x @ A.T @ B.T, 0.1).to_event(1), obs=y)

    problem = Problem(own, n, 1, tempered, beta)

    def sweeps():
        run = partial(gibbs.run, model=model, beta=beta, draws=2000, thin=5)
        return jax.vmap(lambda key, *data: run(key, data))(problem.keys, *problem.data)

    contestants = {"slt.samplers.gibbs": jax.jit(sweeps), "MCMC.run, NUTS": partial(problem.loop, 1)}
    compare(f"WBIC: reduced rank regression, n = {n}, {12 * rank} parameters", problem, contestants, 1)


def side_by_side(name: str, model: Any) -> None:
    problem = Problem(MODELS[name], 50, DATA_SETS, model)
    contestants = {
        "slt, fixed length": problem.ours(nuts=False),
        "slt, NUTS": problem.ours(nuts=True),
        "jit(vmap(MCMC(...).run))": lambda: problem.vmapped(problem.keys, *problem.data),
        "a loop of MCMC.run": partial(problem.loop, LOOPED),
    }
    compare(f"{DATA_SETS} posteriors: {name}, n = 50", problem, contestants, REPEATS)


def main():
    jax.config.update("jax_enable_compilation_cache", False)  # compilation is timed
    numpyro.enable_x64()
    both = list(zip(MODELS, (normal, logistic), strict=True))
    for name, model in both[: 1 if quick() else None]:
        side_by_side(name, model)
    if not quick():
        reduced_rank()


if __name__ == "__main__":
    main()
