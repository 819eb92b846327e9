r"""Models whose tempered posterior is an integral over one number, for the tests of `slt.estimate`.

p(x|w) = N(x; f(w), 1) with the truth N(0, 1), f a monomial, w uniform on $[-1, 1]^d$. With u = f(w) and
z = √n x̄ ~ N(0, 1), n K_n = n u²/2 - √n z u: everything is a sum over s = -log|u|, of which the prior density is known.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

STEP = 0.02
S = np.arange(0.0, 150.0, STEP)


@dataclass(frozen=True)
class Crossing:
    """λ, m, the density of s = -log|u| under the prior, and whether u takes both signs."""

    rlct: float
    multiplicity: int
    density: Any
    signed: bool

    def weights(self, n, beta, z):
        """Nodes u and normalized posterior weights at β, for one z."""
        u, prior = np.exp(-S), self.density(S) * STEP
        if self.signed:
            u, prior = np.concatenate([u, -u]), np.concatenate([prior, prior]) / 2
        energy = n * u**2 / 2 - np.sqrt(n) * z * u
        w = prior * np.exp(-beta * (energy - energy.min()))
        return u, energy, w / w.sum()

    def moments(self, n, beta, z):
        """Mean and variance of n K_n under the posterior at β given z: exact."""
        _, energy, w = self.weights(n, beta, z)
        mean = w @ energy
        return mean, w @ (energy - mean) ** 2

    def free_energy(self, n, z):
        """F_n - n S_n at β = 1 given z, by the same sum."""
        u, prior = np.exp(-S), self.density(S) * STEP
        if self.signed:
            u, prior = np.concatenate([u, -u]), np.concatenate([prior, prior]) / 2
        energy = n * u**2 / 2 - np.sqrt(n) * z * u
        return energy.min() - np.log(prior @ np.exp(-(energy - energy.min())))

    def draw(self, rng, n, beta, z, draws, *, stay=0.0):
        """Energies of a chain with this posterior as its law: with probability `stay` the last value comes again."""
        _, energy, w = self.weights(n, beta, z)
        values = energy[rng.choice(len(w), draws, p=w)]
        fresh = rng.random(draws) >= stay
        fresh[0] = True
        return values[np.maximum.accumulate(np.where(fresh, np.arange(draws), 0))]


CROSSINGS = {
    "w": Crossing(1 / 2, 1, lambda s: np.exp(-s), True),
    "w^2": Crossing(1 / 4, 1, lambda s: np.exp(-s / 2) / 2, False),
    "w^3": Crossing(1 / 6, 1, lambda s: np.exp(-s / 3) / 3, True),
    "ab": Crossing(1 / 2, 2, lambda s: s * np.exp(-s), True),
    "ab^2": Crossing(1 / 4, 1, lambda s: np.exp(-s / 2) - np.exp(-s), True),
    "a^2 b^2": Crossing(1 / 4, 2, lambda s: s / 4 * np.exp(-s / 2), False),
    "abc": Crossing(1 / 2, 3, lambda s: s**2 / 2 * np.exp(-s), True),
}
Z, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def over_data(values):
    """Mean and standard deviation over data sets of values at the nodes Z."""
    values = np.asarray(values)
    mean = WEIGHTS @ values
    return mean, np.sqrt(WEIGHTS @ (values - mean) ** 2)
