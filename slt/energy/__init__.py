r"""Free energy $F_n(\beta) = -\frac1\beta \log Z_n(\beta)$ from log-likelihoods of draws (floor 1).

Pure functions of numbers that any sampler can supply: log-likelihoods at one or several inverse temperatures, ratios of
densities, maxima. Each estimate is a `FreeEnergy`: value and standard error in nats, and what is wrong with it, if
anything is. `slt.free_energy` draws the samples too.
"""

from slt.energy.criteria import bic, sbic
from slt.energy.ladder import optimal_beta, power_ladder, stepping_stone, thermodynamic_integration
from slt.energy.ratio import bridge_sampling, importance_sampling
from slt.energy.record import FreeEnergy, log_bayes_factor
from slt.energy.tempered import Reweighted, reweight, wbic

__all__ = [
    "FreeEnergy",
    "Reweighted",
    "bic",
    "bridge_sampling",
    "importance_sampling",
    "log_bayes_factor",
    "optimal_beta",
    "power_ladder",
    "reweight",
    "sbic",
    "stepping_stone",
    "thermodynamic_integration",
    "wbic",
]
