r"""Exact real log canonical thresholds: the learning coefficient $\lambda$ and its multiplicity m (floor 1).

`learning_coefficient` is the front door, `derive` its way from an analytic K to polynomial generators, step by step;
`normal_crossing`, `newton`, `blow_up`, `resolve` are the methods behind it.
The other functions are families of models whose pairs are known in closed form.
"""

from slt.rlct._deep_linear import deep_linear
from slt.rlct._derivation import Derivation, Step, derive
from slt.rlct._factors import factor_analysis
from slt.rlct._front import learning_coefficient
from slt.rlct._latent import latent_class, naive_bayes
from slt.rlct._mixtures import mixture, multinomial_mixture
from slt.rlct._networks import three_layer, vandermonde
from slt.rlct._newton import NewtonCertificate, newton
from slt.rlct._nonnegative import nonnegative_matrix_factorization, stochastic_matrix_factorization
from slt.rlct._normal_crossing import normal_crossing
from slt.rlct._record import LearningCoefficient
from slt.rlct._reduced_rank import Stratum, reduced_rank, reduced_rank_strata
from slt.rlct._resolve import Chart, Resolution, blow_up, resolve
from slt.rlct._strata import LocalStratum, strata

__all__ = [
    "Chart",
    "Derivation",
    "LearningCoefficient",
    "LocalStratum",
    "NewtonCertificate",
    "Resolution",
    "Step",
    "Stratum",
    "blow_up",
    "deep_linear",
    "derive",
    "factor_analysis",
    "latent_class",
    "learning_coefficient",
    "mixture",
    "multinomial_mixture",
    "naive_bayes",
    "newton",
    "nonnegative_matrix_factorization",
    "normal_crossing",
    "reduced_rank",
    "reduced_rank_strata",
    "resolve",
    "stochastic_matrix_factorization",
    "strata",
    "three_layer",
    "vandermonde",
]
