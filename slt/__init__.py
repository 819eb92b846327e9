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
    "Criteria": "_criteria",
    "criteria": "_criteria",
    "stream_criteria": "_stream",
    "observations": "_observations",
    "BayesQuartet": "_cumulants",
    "bayes_quartet": "_cumulants",
    "cumulant_function": "_cumulants",
    "gibbs_loss": "_cumulants",
    "aic": "_point",
    "dic": "_point",
    "tic": "_point",
    "Comparison": "_compare",
    "compare": "_compare",
    "waic": "_waic",
    "Refit": "_refit",
    "exact_cv": "_refit",
    "refit": "_refit",
    "Summary": "_table",
    "summary": "_summary",
    "summary_from": "_summary",
    "cv_loss": "losses",
    "functional_variance": "losses",
    "generalization_loss": "losses",
    "pareto_k": "losses",
    "training_loss": "losses",
    "waic_loss": "losses",
    "FreeEnergy": "energy",
    "bic": "energy",
    "log_bayes_factor": "energy",
    "free_energy": "evidence",
    "free_energy_from": "_from_fit",
    "tempered_smc": "evidence",
    "sbic": "energy",
    "wbic": "energy",
    "Posterior": "triple",
    "Triple": "triple",
    "draw_data": "triple",
    "draw_prior": "triple",
    "empirical_entropy": "triple",
    "entropy": "triple",
    "log_density": "triple",
    "log_prior": "triple",
    "Replicated": "_replicate",
    "replicate": "_replicate",
    "Verification": "_verify",
    "verify": "_verify",
    "log_lik": "interop",
    "from_datatree": "_trees",
    "to_datatree": "_trees",
    "local_learning_coefficient": "local",
    "nuts": "posterior",
    "check": "grading",
    "hint": "grading",
}
_MODULES = (
    "conjugate",
    "data",
    "energy",
    "estimate",
    "experiment",
    "grading",
    "local",
    "losses",
    "plots",
    "quadrature",
    "rlct",
    "samplers",
    "triple",
    "zoo",
)

__all__ = [
    "BayesQuartet",
    "Comparison",
    "Criteria",
    "FreeEnergy",
    "MeanSE",
    "Posterior",
    "Refit",
    "Replicated",
    "SltWarning",
    "Summary",
    "Triple",
    "Verification",
    "aic",
    "bayes_quartet",
    "bic",
    "check",
    "compare",
    "conjugate",
    "criteria",
    "cumulant_function",
    "cv_loss",
    "data",
    "dic",
    "draw_data",
    "draw_prior",
    "empirical_entropy",
    "energy",
    "entropy",
    "estimate",
    "exact_cv",
    "experiment",
    "free_energy",
    "free_energy_from",
    "from_datatree",
    "functional_variance",
    "generalization_loss",
    "gibbs_loss",
    "grading",
    "hint",
    "local",
    "local_learning_coefficient",
    "log_bayes_factor",
    "log_density",
    "log_lik",
    "log_mean_exp",
    "log_prior",
    "losses",
    "mean_se",
    "nuts",
    "observations",
    "pareto_k",
    "plots",
    "quadrature",
    "refit",
    "replicate",
    "rlct",
    "samplers",
    "sbic",
    "stream_criteria",
    "summary",
    "summary_from",
    "tempered_smc",
    "tic",
    "to_datatree",
    "training_loss",
    "triple",
    "verify",
    "waic",
    "waic_loss",
    "wbic",
    "zoo",
]

if TYPE_CHECKING:
    from slt import (
        conjugate,
        data,
        energy,
        estimate,
        experiment,
        grading,
        local,
        losses,
        plots,
        quadrature,
        rlct,
        samplers,
        triple,
        zoo,
    )
    from slt._arrays import MeanSE, SltWarning, log_mean_exp, mean_se
    from slt._compare import Comparison, compare
    from slt._criteria import Criteria, criteria
    from slt._cumulants import BayesQuartet, bayes_quartet, cumulant_function, gibbs_loss
    from slt._from_fit import free_energy_from
    from slt._observations import observations
    from slt._point import aic, dic, tic
    from slt._refit import Refit, exact_cv, refit
    from slt._replicate import Replicated, replicate
    from slt._stream import stream_criteria
    from slt._summary import summary, summary_from
    from slt._table import Summary
    from slt._trees import from_datatree, to_datatree
    from slt._verify import Verification, verify
    from slt._waic import waic
    from slt.energy import FreeEnergy, bic, log_bayes_factor, sbic, wbic
    from slt.evidence import free_energy, tempered_smc
    from slt.grading import check, hint
    from slt.interop import log_lik
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
