"""Bayesian statistics and singular learning theory, computed.

Everything starts from one matrix, `log_lik[s, i] = log p(X_i | w_s)`, shape `(draws, n)`, in nats. Names are loaded
when they are first used, so that `import slt` costs little more than `import jax`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# One line per public name: where it lives. Modules that are meant to be used by name stand in the second table.
_FUNCTIONS = {
    "MeanSE": "_arrays",
    "SltWarning": "_arrays",
    "log_mean_exp": "_arrays",
    "mean_se": "_arrays",
    "cv_loss": "losses",
    "functional_variance": "losses",
    "generalization_loss": "losses",
    "pareto_k": "losses",
    "training_loss": "losses",
    "waic_loss": "losses",
    "Posterior": "triple",
    "Triple": "triple",
    "draw_data": "triple",
    "draw_prior": "triple",
    "empirical_entropy": "triple",
    "entropy": "triple",
    "log_density": "triple",
    "log_prior": "triple",
    "log_lik": "interop",
    "to_datatree": "interop",
    "local_learning_coefficient": "local",
    "nuts": "posterior",
    "check": "grading",
    "hint": "grading",
}
_MODULES = ("conjugate", "data", "experiment", "grading", "local", "losses", "plots", "quadrature", "triple")

__all__ = [
    "MeanSE",
    "Posterior",
    "SltWarning",
    "Triple",
    "check",
    "conjugate",
    "cv_loss",
    "data",
    "draw_data",
    "draw_prior",
    "empirical_entropy",
    "entropy",
    "experiment",
    "functional_variance",
    "generalization_loss",
    "grading",
    "hint",
    "local",
    "local_learning_coefficient",
    "log_density",
    "log_lik",
    "log_mean_exp",
    "log_prior",
    "losses",
    "mean_se",
    "nuts",
    "pareto_k",
    "plots",
    "quadrature",
    "to_datatree",
    "training_loss",
    "triple",
    "waic_loss",
]

if TYPE_CHECKING:
    from slt import conjugate, data, experiment, grading, local, losses, plots, quadrature, triple
    from slt._arrays import MeanSE, SltWarning, log_mean_exp, mean_se
    from slt.grading import check, hint
    from slt.interop import log_lik, to_datatree
    from slt.local import local_learning_coefficient
    from slt.losses import (
        cv_loss,
        functional_variance,
        generalization_loss,
        pareto_k,
        training_loss,
        waic_loss,
    )
    from slt.posterior import nuts
    from slt.triple import (
        Posterior,
        Triple,
        draw_data,
        draw_prior,
        empirical_entropy,
        entropy,
        log_density,
        log_prior,
    )


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        value = getattr(import_module(f"slt.{_FUNCTIONS[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"slt.{name}")
    else:
        raise AttributeError(f"module 'slt' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
