r"""The local learning coefficient of any JAX loss at any parameter, by Langevin chains (floor 3).

`slt.local_learning_coefficient` is the front door. `Settings` says how the chains run, `Estimate` is what comes back.
"""

from slt.local.estimate import local_learning_coefficient
from slt.local.result import Estimate
from slt.local.settings import Settings

__all__ = ["Estimate", "Settings", "local_learning_coefficient"]
