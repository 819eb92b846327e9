"""Free energy of five targets with known evidence: time against error, beside blackjax and every other method.

A call has one seed, and a new one each time; the note is the root mean square error over all calls, in nats. A second
race has every other method of `slt.energy`, each from draws of its own; WBIC is an approximation, and its error is
mostly that. blackjax
runs 1000 particles with HMC tuned from them, the whole ladder in one compiled loop, or, where its functions are called
one after the other as in its documentation, in a loop of calls. Both sides see the densities and data of
`energy_models.py`.
"""

import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.optimize import minimize
from jax.scipy.stats import norm

import slt
from benchmarks.energy_models import TARGETS
from benchmarks.peer import Peer
from benchmarks.table import quick, race, report
from slt import _hmc

SEEDS = 5 if quick() else 20
FEW = 1 if quick() else 5  # of the other methods, some of which compile each time


def regression(x, y):
    w = numpyro.sample("w", dist.Normal(0, 1.5).expand([5]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ w, 0.7), obs=y)


def eight_schools(y, sd):
    mu, tau = numpyro.sample("mu", dist.Normal(0, 5)), numpyro.sample("tau", dist.HalfCauchy(5))
    theta = numpyro.sample("theta", dist.Normal(mu, tau).expand([8]).to_event(1))
    numpyro.sample("y", dist.Normal(theta, sd), obs=y)


def singular(x):
    a, b = (numpyro.sample(name, dist.Normal()) for name in "ab")
    numpyro.sample("x", dist.Normal(a * b, 1).expand([len(x)]), obs=x)


def mixture(x):
    w = numpyro.sample("w", dist.Normal(0, 3).expand([2]).to_event(1))
    shares = dist.Categorical(jnp.array([0.4, 0.6]))
    numpyro.sample("x", dist.MixtureSameFamily(shares, dist.Normal(w, 1)).expand([len(x)]), obs=x)


def reduced_rank(x, y):
    a, b = (numpyro.sample(name, dist.Normal().expand([d]).to_event(1)) for name, d in (("a", 2), ("b", 3)))
    numpyro.sample("y", dist.Normal((x @ a)[:, None] * b, 0.5).to_event(1), obs=y)


MODELS = dict(zip(TARGETS, (regression, eight_schools, singular, mixture, reduced_rank), strict=True))


class Calls:
    """A contestant whose every call has another seed; it keeps the log evidences that it was given."""

    def __init__(self, one: Callable[[int], Any], value: Callable[[Any], float]):
        self.one, self.value, self.seeds, self.found = one, value, count(), []

    def __call__(self) -> Any:
        result = self.one(next(self.seeds))
        self.found.append(self.value(result))
        return result

    def note(self, truth: float) -> str:
        errors = np.array(self.found) - truth
        known = errors[np.isfinite(errors)]
        if not known.size:
            return "no value"
        some = "" if known.size == errors.size else f", no value in {errors.size - known.size} of {errors.size}"
        return f"rmse {np.sqrt(np.mean(known**2)):.3f} nats{some}"


def ours(name: str, method: str) -> Calls:
    model, data = MODELS[name], tuple(map(jnp.asarray, TARGETS[name].data))
    return Calls(
        lambda seed: slt.free_energy(jax.random.key(seed), model, *data, method=method), lambda found: -found.value
    )


def laplace_ratios(name: str) -> Callable[[Any], Any]:
    """Log ratios of the joint density to a normal at the mode that a climb from near the origin finds."""
    target, d = TARGETS[name], TARGETS[name].dimension

    def joint(u):
        return target.log_prior(u) + target.log_lik(u)

    def ratios(key):
        top = minimize(lambda u: -joint(u), jnp.full(d, 0.1), method="BFGS").x
        half = jnp.linalg.inv(jnp.linalg.cholesky(-jax.hessian(joint)(top)))  # no curvature, no estimate: NaN
        z = jax.random.normal(key, (1000, d))
        log_q = norm.logpdf(z).sum(1) - jnp.log(jnp.diagonal(half)).sum()
        return jax.vmap(joint)(top + z @ half) - log_q

    return ratios


def ladder_draws(name: str) -> Callable[[Any, Any], Any]:
    """Log-likelihoods of draws from the prior and of four Hamiltonian chains at every other rung, all side by side."""
    target = TARGETS[name]

    def draws(key, betas):
        def chains(key, beta):
            key_start, key_chains = jax.random.split(key)
            start = jax.vmap(target.draw_prior)(jax.random.split(key_start, 4))
            joint = lambda u: target.log_prior(u) + beta * target.log_lik(u)  # noqa: E731
            return _hmc.chains(key_chains, joint, start, warmup=300, draws=500)[0]

        key_prior, key_chains = jax.random.split(key)
        prior = jax.vmap(target.draw_prior)(jax.random.split(key_prior, 4 * 500)).reshape(1, 4, 500, -1)
        u = jax.vmap(chains)(jax.random.split(key_chains, len(betas) - 1), betas[1:])
        u = jnp.concatenate([prior, u])
        return jax.lax.map(target.log_lik, u.reshape(-1, u.shape[-1]), batch_size=1000).reshape(u.shape[:-1])

    return draws


def other_methods(name: str) -> dict[str, Calls]:
    """Every other method, from draws of its own."""
    model, data = MODELS[name], tuple(map(jnp.asarray, TARGETS[name].data))
    beta, sample = 1 / np.log(len(data[0])), jax.jit(laplace_ratios(name))

    def laplace(seed):
        ratios = np.asarray(sample(jax.random.key(seed)))
        return slt.energy.importance_sampling(ratios) if np.isfinite(ratios).any() else slt.FreeEnergy(np.nan, np.nan)

    def nuts(seed, beta=1.0):
        return slt.nuts(jax.random.key(seed), model, *data, beta=beta, draws=500)

    climb, betas = jax.jit(ladder_draws(name)), slt.energy.power_ladder(32)

    def ladder(seed, estimator):
        return estimator(climb(jax.random.key(seed), jnp.asarray(betas)), betas)

    calls = {
        "importance sampling from a Laplace fit": laplace,
        "slt.nuts, then bridge sampling": lambda s: slt.free_energy_from(jax.random.key(s), model, nuts(s), *data),
        "slt.tempered_smc": lambda s: slt.tempered_smc(jax.random.key(s), model, *data).free_energy,
        "chains at 32 temperatures, stepping stone": lambda s: ladder(s, slt.energy.stepping_stone),
        "chains at 32 temperatures, thermodynamic integration": lambda s: ladder(
            s, slt.energy.thermodynamic_integration
        ),
        "slt.nuts at 1/log n, WBIC": lambda s: slt.energy.wbic(nuts(s, beta).log_lik, beta=beta, chains=4),
    }
    return {who: Calls(one, lambda found: -found.value) for who, one in calls.items()}


def theirs(peer: Peer, name: str, loop: bool) -> Calls:
    return Calls(lambda seed: peer.call("smc", name, seed, 1000, loop)(), lambda found: found.value)


def main():
    targets = dict(list(TARGETS.items())[: 1 if quick() else None])
    with Peer("blackjax") as peer:
        for name, target in targets.items():
            contestants = {
                "slt.free_energy": ours(name, "auto"),
                'slt.free_energy, method="tempered"': ours(name, "tempered"),
                f"{peer.version}, one program": theirs(peer, name, False),
                f"{peer.version}, a loop of calls": theirs(peer, name, True),
            }
            rows = race(f"free energy: {name}, {target.dimension} parameters", contestants, repeats=SEEDS)
            report([row._replace(note=contestants[row.who].note(target.log_evidence)) for row in rows])
    for name, target in targets.items():
        contestants = {"slt.free_energy": ours(name, "auto")} | other_methods(name)
        slow = [who for who in contestants if "slt.nuts" in who] if quick() else ()
        rows = race(f"free energy: {name}, other methods", contestants, repeats=FEW, once=slow)
        report([row._replace(note=contestants[row.who].note(target.log_evidence)) for row in rows])


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore", slt.SltWarning)
    main()
