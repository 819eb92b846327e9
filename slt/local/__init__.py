r"""The local learning coefficient of any JAX loss at any parameter, by Langevin chains (floor 3).

`slt.local_learning_coefficient` is the front door. `Settings` says how the chains run; an `Estimate` comes back, with
`check()` for its verdict. `sweep` repeats it over steps and localizations; `quadratic_expectation` is the exact value
where the loss is quadratic.
"""

from slt.local.estimate import local_learning_coefficient
from slt.local.grid import Sweep, sweep
from slt.local.result import Estimate
from slt.local.settings import Settings
from slt.local.theory import quadratic_expectation

__all__ = ["Estimate", "Settings", "Sweep", "local_learning_coefficient", "quadratic_expectation", "sweep"]
