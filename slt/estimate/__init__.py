r"""Estimates of $\lambda$, $m$ and $\nu$, each with what is random in it and what is not (floor 2).

From tempered draws (two temperatures, one run reweighted, WBIC, the variance), from free energies at several $n$, from
the volume of $\{K < \epsilon\}$ under the prior; and $\nu$ from the functional variance. Every estimator returns an
`Estimate`: value, standard error, systematic part, spread over data sets, problems.
"""

from slt.estimate.fluctuation import singular_fluctuation
from slt.estimate.record import Estimate
from slt.estimate.scaling import from_volumes
from slt.estimate.slope import from_free_energies
from slt.estimate.tempered import from_reweighting, from_temperatures, from_variance, from_wbic
from slt.estimate.theory import expected
from slt.estimate.volume import Volumes, volumes

__all__ = [
    "Estimate",
    "Volumes",
    "expected",
    "from_free_energies",
    "from_reweighting",
    "from_temperatures",
    "from_variance",
    "from_volumes",
    "from_wbic",
    "singular_fluctuation",
    "volumes",
]
