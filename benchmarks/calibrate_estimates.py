r"""How often the intervals of `slt.estimate` hold the exact coefficient: eleven models with known $(\lambda, m)$.

Ten are p(x|w) = N(x; f(w), 1) with a truth N(0, 1), f = w_1^{k_1} ... w_d^{k_d} and w uniform on [-1, 1]^d. With
u = f(w) and z = sqrt(n) x̄ it is n K_n = n u^2 / 2 - sqrt(n) z u, a law of one number, s = -log|u| = sum k_i E_i with
E_i exponential: draws of every tempered posterior are exact and cheap, and so is the free energy. The eleventh is a
regular model with four parameters. Nothing of the library takes part in them but `normal_crossing`, for the pair.

Each estimator has its mean over the data sets, and the share of its intervals that hold the coefficient: where m is
given, and where it is left between 1 and 2 as it is by itself (free energies: given).
The volumes are a real run of splitting, from which m is found too. `python -m benchmarks.calibrate_estimates [seed]`
takes a few minutes.
"""

import dataclasses
import sys
import time
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy.signal import lfilter

import slt
from slt import estimate
from slt.energy import FreeEnergy
from slt.estimate.theory import about
from slt.rlct import normal_crossing

POWERS = [(1,), (2,), (3,), (1, 1), (1, 2), (2, 2), (1, 3), (3, 3), (1, 1, 1), (1, 1, 2)]
N, SETS, DRAWS = 1000, 100, 2500  # observations, data sets, draws
BETAS = np.array([1.0, 1.5]) / np.log(N)
SIZES = np.array([100, 300, 1000, 10**4, 10**6, 10**8])
FAMILY = 20  # data sets to one estimate from free energies
METHODS = {"temperatures": "temperatures", "reweighting": "temperatures", "variance": "variance", "wbic": "wbic"}
STEP = 0.01
S = np.arange(0.0, 150.0, STEP)


class Crossing:
    """A crossing: its pair, and tempered posteriors on a grid of s."""

    def __init__(self, powers):
        exact = normal_crossing(powers, (0,) * len(powers))
        self.name = " ".join(f"w{i}^{k}" for i, k in enumerate(powers, 1))
        self.powers, self.rlct, self.m = powers, float(exact.rlct), exact.multiplicity
        density: Any = np.exp(-S / powers[0]) / powers[0]
        for k in powers[1:]:  # convolution with an exponential law, by the trapezoid rule as a recursion
            fade = np.exp(-STEP / k)
            density = lfilter([STEP / 2 / k, STEP / 2 / k * fade], [1.0, -fade], density)
        density[0] /= 2
        self.u, self.prior = np.exp(-S), density * STEP
        if any(k % 2 for k in powers):  # f takes both signs
            self.u, self.prior = np.concatenate([self.u, -self.u]), np.concatenate([self.prior, self.prior]) / 2

    def energy(self, n, z):
        return n * self.u**2 / 2 - np.sqrt(n) * z * self.u

    def draws(self, rng, n, beta, z, count):
        e = self.energy(n, z)
        w = self.prior * np.exp(-beta * (e - e.min()))
        return e[rng.choice(len(e), count, p=w / w.sum())]

    def free_energy(self, n, z):
        e = self.energy(n, z)
        return e.min() - np.log(self.prior @ np.exp(-(e - e.min())))


class Regular:
    """Four parameters under a flat prior on a box so wide that the posterior is normal: energies above the minimum."""

    name, rlct, m, powers = "regular, d = 4", 2.0, 1, None

    def draws(self, rng, n, beta, z, count):
        return rng.gamma(self.rlct, 1 / beta, count) - z  # z: n L_n(w0) above the minimum

    def free_energy(self, n, z):
        return self.rlct * np.log(n) - z


def noise(model, rng, sizes):
    """The noise of one data set at nested sizes."""
    d = 1 if model.powers else 4
    z = np.cumsum(rng.normal(size=(len(sizes), d)) * np.sqrt(np.diff(sizes, prepend=0))[:, None], axis=0)
    z = z / np.sqrt(sizes)[:, None]
    return z[:, 0] if model.powers else (z**2).sum(1) / 2


def of_one_data_set(model, rng):
    """An estimate from each of the four doors that take draws; the same data, draws of their own."""
    z = noise(model, rng, np.array([N]))[0]
    first, second = (model.draws(rng, N, beta, z, DRAWS) for beta in BETAS)
    wbic = FreeEnergy(first.mean(), first.std() / np.sqrt(DRAWS))
    return {
        "temperatures": estimate.from_temperatures([-first, -second], BETAS, n=N, chains=4, multiplicity=model.m),
        "reweighting": estimate.from_reweighting(-first, BETAS, n=N, chains=4, multiplicity=model.m),
        "variance": estimate.from_variance(-first, beta=BETAS[0], n=N, chains=4, multiplicity=model.m),
        "wbic": estimate.from_wbic(wbic, 0.0, N, at="truth", multiplicity=model.m),
    }


def of_free_energies(model, rng):
    y = [[model.free_energy(n, z) for n, z in zip(SIZES, noise(model, rng, SIZES), strict=True)] for _ in range(FAMILY)]
    return estimate.from_free_energies(SIZES, np.array(y), multiplicity=model.m)


def of_volumes(model, seed):
    """A run of splitting from the prior and K themselves; m is not given."""
    powers = model.powers or (1, 1, 1, 1)
    prior = {f"w{i}": dist.Uniform(-1.0, 1.0) for i in range(len(powers))}

    def kl(**w):
        if model.powers is None:
            return sum(a**2 for a in w.values()) / 2
        return jnp.prod(jnp.stack([a**k for a, k in zip(w.values(), powers, strict=True)])) ** 2 / 2

    found = estimate.volumes(
        jax.random.key(seed), kl, prior, smallest=10 ** (-6 / model.rlct), particles=500, replicas=16
    )
    return estimate.from_volumes(found)


def covered(found, rlct):
    """The share of intervals that hold the coefficient."""
    return np.mean([low <= rlct <= high for low, high in (e.interval for e in found)])


def undecided(found, method):
    """The same estimates with the systematic part of m between 1 and 2, as the doors have it unless m is given."""
    betas = BETAS if method == "temperatures" else BETAS[:1]
    return [dataclasses.replace(e, **about(e.value, N, betas, (1, 2), method)[0]) for e in found]


def main(seed=1):
    warnings.simplefilter("ignore", slt.SltWarning)
    heads = "".join(f"{name:19s}" for name in ("temperatures", "reweighting", "variance", "WBIC"))
    print(f"{'':16s}lambda m  {heads}{'F_n':14s}volumes")
    for model in [*map(Crossing, POWERS), Regular()]:
        rng, start = np.random.default_rng(seed), time.perf_counter()
        sets = [of_one_data_set(model, rng) for _ in range(SETS)]
        print(f"{model.name:15s}  {model.rlct:.3f} {model.m}", end="  ")
        for name, method in METHODS.items():
            found = [s[name] for s in sets]
            mean = np.mean([e.value for e in found])
            both = covered(found, model.rlct), covered(undecided(found, method), model.rlct)
            print(f"{mean:5.3f} {both[0]:4.2f} {both[1]:4.2f}", end="    ")
        found = [of_free_energies(model, rng) for _ in range(SETS // 2)]
        print(f"{np.mean([e.value for e in found]):5.3f} {covered(found, model.rlct):4.2f}", end="    ")
        v = of_volumes(model, seed)
        inside = " " if v.interval[0] <= model.rlct <= v.interval[1] else "!"
        m: Any = v.multiplicity
        text = f"{v.value:.3f} in [{v.interval[0]:.3f}, {v.interval[1]:.3f}]{inside} m {m.mean:.0f}"
        text += "" if m.se == 0 else " ± 1"
        print(f"{text:34s}{time.perf_counter() - start:4.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
