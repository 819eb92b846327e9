r"""The book's triples, each with its exact learning coefficient $(\lambda, m)$ and the source of it (floor 4).

Every function returns a `Specimen`; `specimens` lists them all. The values come from `slt.rlct`, or are $d/2$ where a
model is regular, and `None` where nobody knows.
"""

from slt.zoo._mixtures import (
    binomial_mixture,
    latent_class,
    naive_bayes,
    normal_mixture,
    poisson_mixture,
    two_parameter_mixture,
)
from slt.zoo._networks import deep_linear, factor_analysis, reduced_rank, relu_network, tanh_network, tanh_unit
from slt.zoo._regressions import (
    linear_regression,
    logistic_regression,
    normal,
    poisson_regression,
    polynomial_regression,
)
from slt.zoo._small import autoregression, eight_schools, monomial, multinomial
from slt.zoo._specimen import Specimen

__all__ = [
    "Specimen",
    "autoregression",
    "binomial_mixture",
    "deep_linear",
    "eight_schools",
    "factor_analysis",
    "latent_class",
    "linear_regression",
    "logistic_regression",
    "monomial",
    "multinomial",
    "naive_bayes",
    "normal",
    "normal_mixture",
    "poisson_mixture",
    "poisson_regression",
    "polynomial_regression",
    "reduced_rank",
    "relu_network",
    "specimens",
    "tanh_network",
    "tanh_unit",
    "two_parameter_mixture",
]


def specimens() -> dict[str, Specimen]:
    r"""Every member of the zoo at its default sizes.

    $$(q, p, \varphi) \mapsto (\lambda, m)$$

    **Arguments:** none.
    **Returns:** a dictionary from the name of the function to its `Specimen`.
    **Source:** the members' own.

    >>> [name for name, specimen in specimens().items() if specimen.coefficient is None]
    ['eight_schools']
    """
    return {name: globals()[name]() for name in __all__ if name not in ("Specimen", "specimens")}
