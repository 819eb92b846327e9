r"""What counts as one observation: several observed variables, and groups that are left out together (floor 1)."""

import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import LogLik, check_log_lik
from slt._arviz import LOG_LIKELIHOOD, all_from_datatree, is_datatree


def observations(
    log_lik: Any,
    *,
    combine: Literal["sum", "concat"] | None = None,
    groups: Any = None,
) -> LogLik:
    r"""The matrix whose columns are what is predicted: single values, units with several variables, or whole groups.

    $$\log p(X_g \mid w_s) = \sum_{i \in g} \log p(X_i \mid w_s)$$

    Every criterion takes the result. The choice is the question that is asked. `combine="concat"`: how well is one more
    value of one variable predicted, everything else known, the other variables of the same unit included?
    `combine="sum"`: how well is a new unit predicted, with all its variables at once? `groups=`: how well is a new
    group (patient, school, study) predicted, when nothing of it is known? Groups are large changes of the posterior:
    expect larger Pareto k, and mind that WAIC's penalty is a variance of a sum.

    **Arguments:** `log_lik`: a matrix `(draws, n)`; or name to matrix `(draws, n_name)` for several observed variables;
    or an ArviZ DataTree, whose variables are taken. `combine`: needed where there are several variables: `"sum"`
    adds matrices of equal shape, `"concat"` puts them side by side. `groups`: one label per column, shape `(n,)`, after
    `combine`; for `"concat"` also name to labels; `None` for no groups.
    **Returns:** shape `(draws, n)`, or `(draws, number of groups)` in the order of `np.unique(groups)`; nats.
    **Raises:** `ValueError` if there are several variables and `combine` is not given (the message lists them), if
    their shapes do not fit, or if there is not one label per column.
    **Source:** Watanabe (2018), section 1.6, for the criteria of the result.

    >>> log_lik = {"y": np.array([[-1.0, -2.0], [-3.0, -4.0]]), "z": np.array([[-0.5, -0.5], [-1.5, -0.5]])}
    >>> observations(log_lik, combine="sum").tolist()
    [[-1.5, -2.5], [-4.5, -4.5]]
    >>> observations(log_lik["y"], groups=["a", "a"]).tolist()
    [[-3.0], [-7.0]]
    """
    plain = isinstance(log_lik, dict) and LOG_LIKELIHOOD not in log_lik  # name to matrix, not groups of a tree
    if is_datatree(log_lik) and not plain:
        log_lik = all_from_datatree(log_lik)
    if not isinstance(log_lik, Mapping):
        log_lik = {"log_lik": log_lik}
    parts = {name: check_log_lik(a, name=str(name)) for name, a in log_lik.items()}
    shapes = ", ".join(f"{name}: {a.shape}" for name, a in parts.items())
    if len(parts) != 1 and combine not in ("sum", "concat"):
        got = "no observed variable" if not parts else f"{len(parts)} observed variables ({shapes})"
        raise ValueError(
            f'there are {got}, and combine={combine!r}. Choose what one observation is: combine="sum" (a unit with a '
            'value of each variable), combine="concat" (each value by itself), or pass the matrix of one of them.'
        )
    xp: Any = jnp if any(isinstance(a, jax.Array) for a in parts.values()) else np
    same = len({a.shape for a in parts.values()}) == 1
    if (combine == "sum" and not same) or len({a.shape[0] for a in parts.values()}) != 1:
        wanted = "one shape (draws, n)" if combine == "sum" else "the same draws"
        raise ValueError(
            f"combine={combine!r} needs matrices of {wanted}; got {shapes}. "
            "Bring a variable with several values per unit to one column per unit first: groups=."
        )
    matrices = list(parts.values())
    whole = reduce(operator.add, matrices) if combine == "sum" else xp.concatenate(matrices, 1)
    return whole if groups is None else _grouped(whole, _labels(groups, parts), xp)


def _labels(groups: Any, parts: Mapping[str, Any]) -> np.ndarray:
    if isinstance(groups, Mapping):
        if set(groups) != set(parts):
            raise ValueError(f"groups must name the variables {sorted(parts)}; got {sorted(groups)}.")
        groups = np.concatenate([np.asarray(groups[name]) for name in parts])
    return np.asarray(groups)


def _grouped(whole: Any, labels: np.ndarray, xp: Any) -> Any:
    if labels.shape != (whole.shape[1],):
        raise ValueError(
            f"groups must give one label per observation, shape ({whole.shape[1]},); got shape {labels.shape}."
        )
    names, which = np.unique(labels, return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(names)))
    if xp is np:
        return np.add.reduceat(whole[:, order], starts, axis=1)
    return jax.ops.segment_sum(whole.T, jnp.asarray(which), num_segments=len(names)).T
