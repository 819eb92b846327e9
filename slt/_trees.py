r"""Draws to and from the DataTree of ArviZ (floor 6)."""

import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from slt import _arviz
from slt._arrays import SltWarning
from slt.evidence import Tempered
from slt.posterior import diagnose
from slt.samplers.parallel_tempering import Replicas
from slt.triple import Posterior


def to_datatree(draws: Any, *, data: Mapping[str, Any] | None = None) -> Any:
    r"""An ArviZ DataTree of draws, for `arviz.loo`, `arviz.summary` and the plots of ArviZ.

    **Arguments:** `draws`: a `Posterior` whose draws have equal weight, such as that of `slt.nuts`; or what parallel
    tempering or `slt.tempered_smc` returns, of which the last rung is taken. `data`: observed values by name, stored
    as `observed_data`.
    **Returns:** a DataTree with groups `posterior` and, where the matrix is there, `log_likelihood` (variable `"x"`,
    untempered), split into the chains of the sampler (islands of particles) if they are known, else one chain; its
    `attrs` hold `beta`. `slt.from_datatree` is the way back.
    **Raises:** `TypeError` for anything else, `ValueError` for weighted draws (quadrature), which ArviZ would take for
    equal ones. Warns (`SltWarning`) for $\beta \neq 1$, which ArviZ does not know of.
    **Source:** the schema of ArviZ.

    >>> to_datatree(Posterior({"w": np.zeros(20)}, np.zeros((20, 3)))).log_likelihood["x"].shape
    (1, 20, 3)
    """
    posterior = _posterior(draws)
    if posterior.log_weights is not None:
        raise ValueError(
            "this posterior has weighted draws (log_weights), which ArviZ would treat as equally likely. Resample "
            "them in proportion to exp(log_weights) first, or use the losses of slt with log_weights=."
        )
    beta = float(posterior.beta)
    if beta != 1:
        warnings.warn(
            f"these draws are of the posterior at beta={beta:g}; arviz.loo takes every tree for beta=1, and its "
            f"figures would be wrong. Use slt.cv_loss(posterior.log_lik, beta={beta:g}).",
            SltWarning,
            stacklevel=2,
        )
    chains = getattr(posterior.diagnostics, "chains", 1)

    def split(a: Any) -> np.ndarray:
        values = np.asarray(a)
        return values.reshape(chains, -1, *values.shape[1:])

    groups: dict[str, Any] = {"posterior": {name: split(a) for name, a in posterior.draws.items()}}
    if posterior.log_lik is not None:
        groups[_arviz.LOG_LIKELIHOOD] = {"x": split(posterior.log_lik)}
    if data is not None:
        groups["observed_data"] = {name: np.asarray(a) for name, a in data.items()}
    return _arviz.build_datatree(groups, {"beta": beta})


def from_datatree(tree: Any, *, var_name: str | None = None) -> Posterior:
    r"""The draws of an ArviZ DataTree as a `Posterior`, with a verdict on its chains.

    **Arguments:** `tree`: a DataTree (or InferenceData) with a `posterior` group, as from PyMC, cmdstanpy through
    ArviZ, or `slt.to_datatree`. `var_name`: the observed variable, where `log_likelihood` holds several.
    **Returns:** `Posterior`: draws name to array `(chains * draws, ...)`, chain after chain; `log_lik`, `None` where
    the tree has no log-likelihoods; `beta` of the tree's `attrs`, 1 where they do not say; `diagnostics` of the chains,
    with the divergences that the sampler noted.
    **Raises:** `TypeError` for anything but a tree; `ValueError` without draws, with fewer than four in a chain, for
    several observed variables of which none is named, and for log-likelihoods of other draws.
    **Source:** the schema of ArviZ.

    >>> from slt import data
    >>> from_datatree(data.fit("stan"))  # doctest: +ELLIPSIS
    Posterior(mu: (1400,), tau: (1400,); log_lik: (1400, 8); beta=1.0; Diagnostics(4 chains x 350 draws; ...
    """
    if not _arviz.is_datatree(tree):
        raise TypeError(f"from_datatree wants an ArviZ DataTree; got {type(tree).__name__}.")
    by_chain = _arviz.draws_by_chain(tree)
    flat = {name: a.reshape(-1, *a.shape[2:]) for name, a in by_chain.items()}
    has_matrix, beta = _arviz.group_of(tree, _arviz.LOG_LIKELIHOOD) is not None, _arviz.beta_of(tree)
    log_lik = _arviz.from_datatree(tree, var_name) if has_matrix or var_name is not None else None
    for name, a in flat.items():
        if log_lik is not None and len(a) != len(log_lik):
            raise ValueError(f"the tree has {len(a)} draws of {name} and log-likelihoods of {len(log_lik)} draws.")
    diagnostics = diagnose(by_chain, _arviz.divergences(tree))
    return Posterior(flat, log_lik, 1.0 if beta is None else float(beta), diagnostics=diagnostics)


def _posterior(draws: Any) -> Posterior:
    """The posterior of any record that has draws."""
    if isinstance(draws, Replicas):
        return draws.posterior
    if isinstance(draws, Tempered):
        islands = SimpleNamespace(chains=draws.log_lik.shape[1])
        return Posterior(draws.draws, None, float(draws.betas[-1]), diagnostics=islands)
    if not isinstance(draws, Posterior):
        raise TypeError(
            f"to_datatree wants a Posterior, or what slt.tempered_smc or parallel tempering returns; got "
            f"{type(draws).__name__}. From draws by name it is slt.Posterior(draws, slt.log_lik(model, draws, *data))."
        )
    return draws
