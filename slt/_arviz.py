"""The only module that touches ArviZ: smoothing of weights, DataTree in and out (floor 0).

ArviZ is loaded when a function is first called, never by `import slt`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

LOG_LIKELIHOOD = "log_likelihood"
MINIMUM_DRAWS = 25  # the Pareto tail is a fifth of the draws and needs five of them


def psis(log_ratios: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Pareto-smoothed importance weights of each column, and the shape $\hat k$ of its tail.

    $$\tilde\omega_s \propto \begin{cases} r_s & \text{below the tail}\\
    F^{-1}\bigl((z - \tfrac12)/M;\, \hat k, \hat\sigma\bigr) & \text{for the } z\text{-th smallest of the } M
    \text{ in the tail}\end{cases}$$

    with $F$ the generalized Pareto distribution fitted to the $M = 3\sqrt{S}$ largest ratios.

    **Arguments:** `log_ratios`: $\log r_s$ of each draw, shape `(draws, n)`, up to a constant per column; for
    leave-one-out it is $-\beta \log p(X_i \mid w_s)$.
    **Returns:** log-weights `(draws, n)`, float64, each column summing to one after exponentiation; and $\hat k$,
    shape `(n,)`. A tail without spread has bounded weights: it is left as it is, with $\hat k = -\infty$.
    **Raises:** `ValueError` if `log_ratios` is not 2-D, is not finite or has fewer than 25 draws.
    **Source:** Vehtari, Simpson, Gelman, Yao and Gabry (2024), computed by ArviZ.

    >>> log_weights, k = psis(np.random.default_rng(0).normal(size=(1000, 2)))
    >>> np.exp(log_weights).sum(0).round(10).tolist(), k.shape
    ([1.0, 1.0], (2,))
    """
    r = np.asarray(log_ratios, dtype=np.float64)
    if r.ndim != 2:
        raise ValueError(f"log_ratios must have shape (draws, n); got {r.shape}.")
    if not np.isfinite(r).all():
        raise ValueError(f"log_ratios must be finite; {int((~np.isfinite(r)).sum())} of {r.size} entries are not.")
    draws = r.shape[0]
    if draws < MINIMUM_DRAWS:
        raise ValueError(
            f"Pareto smoothing needs at least {MINIMUM_DRAWS} draws to see a tail; got {draws}. Draw more, or use "
            'method="plain".'
        )
    from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]

    r = r - r.max(0)
    # The size of the tail as in the source; ArviZ refuses a tail whose values all agree, so those columns stay here.
    tail = int(3 * np.sqrt(draws)) if draws > 225 else draws // 5
    cutoff = np.partition(r, draws - tail - 1, axis=0)[draws - tail - 1]
    spread = 1 - np.exp(cutoff) > 1e-12
    log_weights = r - np.log(np.exp(r).sum(0))
    k = np.full(r.shape[1], -np.inf)
    if spread.any():
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            smoothed, k[spread] = array_stats.psislw(-r[:, spread].T, r_eff=1.0)  # pyright: ignore[reportArgumentType]
        log_weights[:, spread] = smoothed.T
    return log_weights, k


def is_datatree(tree: Any) -> bool:
    """Whether `tree` looks like an ArviZ DataTree (or a mapping of groups) rather than a model."""
    return isinstance(tree, Mapping) or hasattr(tree, LOG_LIKELIHOOD) or hasattr(tree, "posterior")


def from_datatree(tree: Any, var_name: str | None = None) -> np.ndarray:
    r"""The matrix $\log p(X_i \mid w_s)$ out of an ArviZ DataTree.

    **Arguments:** `tree`: anything with a `.log_likelihood` or `["log_likelihood"]` group of arrays
    `(chains, draws, ...)`: a DataTree, an InferenceData, a dictionary. `var_name`: which observed variable; needed when
    there are several.
    **Returns:** shape `(chains * draws, n)`, chain after chain; further axes of the variable are flattened.
    **Raises:** `ValueError` if the group is missing, or if there are several variables and none is named.
    **Source:** the schema of ArviZ.

    >>> from_datatree({"log_likelihood": {"y": np.zeros((4, 100, 8))}}).shape
    (400, 8)
    """
    a = by_chain(tree, var_name)
    return a.reshape(a.shape[0] * a.shape[1], -1)


def by_chain(tree: Any, var_name: str | None = None) -> np.ndarray:
    """The same with the chains apart, `(chains, draws, n)`."""
    group = group_of(tree, LOG_LIKELIHOOD)
    if group is None:
        raise ValueError(
            f"no log_likelihood group in this {type(tree).__name__}. Compute it when you sample (NumPyro: "
            "az.from_numpyro(mcmc, log_likelihood=True); PyMC: pm.compute_log_likelihood(tree)), or from the model and "
            "the draws: slt.log_lik(model, draws, *data)."
        )
    variables = {name: group[name] for name in _names(group)}
    if var_name is None and len(variables) == 1:
        (var_name,) = variables
    if var_name not in variables:
        shapes = ", ".join(f"{name}: {tuple(v.shape)}" for name, v in variables.items())
        got = "several observed variables" if var_name is None else f"no observed variable {var_name!r}"
        example = next(iter(variables), "y")
        raise ValueError(
            f"log_likelihood holds {got}; it has {shapes or 'none'} (chains, draws, ...). Name the one that is "
            f"predicted: slt.log_lik(tree, var_name={example!r}); or say what one observation is: "
            'slt.observations(tree, combine="sum") (a value of each) or combine="concat" (each value by itself).'
        )
    values = _chains_first(variables[var_name], f"log_likelihood[{var_name!r}]")
    return values.reshape(*values.shape[:2], -1)


def draws_by_chain(tree: Any) -> dict[str, np.ndarray]:
    """The draws of a DataTree: name to array `(chains, draws, ...)`."""
    group = group_of(tree, "posterior")
    if group is None:
        raise ValueError(f"no posterior group in this {type(tree).__name__}: it has no draws.")
    return {name: _chains_first(group[name], f"posterior[{name!r}]") for name in _names(group)}


def divergences(tree: Any) -> int:
    """How many transitions the sampler of a DataTree called divergent; 0 where it says nothing of them."""
    stats = group_of(tree, "sample_stats")
    return 0 if stats is None or "diverging" not in _names(stats) else int(np.asarray(stats["diverging"]).sum())


def beta_of(tree: Any) -> float | None:
    """The inverse temperature that a tree's `attrs` say it is at; `None` where they do not."""
    attrs = getattr(tree, "attrs", None)
    return attrs.get("beta") if isinstance(attrs, Mapping) else None


def group_of(tree: Any, name: str) -> Any:
    """A group of a tree by name, `None` where there is none."""
    return tree.get(name) if isinstance(tree, Mapping) else getattr(tree, name, None)


def _chains_first(variable: Any, name: str) -> np.ndarray:
    """A variable as an array `(chains, draws, ...)`, whatever the order of its dimensions."""
    dims = getattr(variable, "dims", None)
    if dims is not None and "chain" in dims and "draw" in dims:
        variable = variable.transpose("chain", "draw", ...)
    elif dims is not None and "sample" in dims:
        variable = np.asarray(variable.transpose("sample", ...))[None]
    values = np.asarray(variable)
    if values.ndim < 2:
        raise ValueError(f"{name} must have axes (chains, draws, ...); got shape {values.shape}.")
    return values


def variables_by_chain(tree: Any) -> dict[str, np.ndarray]:
    """Every observed variable of a DataTree: name to matrix `(chains, draws, n)`."""
    group = group_of(tree, LOG_LIKELIHOOD)
    if group is None:
        by_chain(tree)  # says so
    return {name: by_chain(tree, name) for name in _names(group)}


def all_from_datatree(tree: Any) -> dict[str, np.ndarray]:
    """The same with the chains one after the other: name to matrix `(draws, n)`."""
    return {name: a.reshape(-1, a.shape[-1]) for name, a in variables_by_chain(tree).items()}


def build_datatree(groups: Mapping[str, Mapping[str, Any]], attrs: Mapping[str, Any]) -> Any:
    """A DataTree of groups of arrays `(chains, draws, ...)`, with attributes on the tree itself."""
    from arviz_base import from_dict

    return from_dict(groups, attrs={"/": dict(attrs)})


def elpd_data(tree: Any, kind: str, var_name: str | None, **values: Any) -> Any:
    """ArviZ's record of a criterion: totals as they are, pointwise arrays in the variable's own dimensions."""
    import dataclasses

    from arviz_stats import utils

    if values["elpd_i"] is not None:
        group = tree[LOG_LIKELIHOOD] if isinstance(tree, Mapping) else getattr(tree, LOG_LIKELIHOOD)
        variable = group[var_name if var_name is not None else next(iter(_names(group)))]
        if hasattr(variable, "isel"):
            sample = {d: 0 for d in ("chain", "draw", "sample") if d in variable.dims}
            like = variable.isel(sample, drop=True)
            values["elpd_i"] = like.copy(data=values["elpd_i"].reshape(like.shape))
    base = utils.ELPDData
    if any(f.name == "kind" for f in dataclasses.fields(base)):  # ArviZ before 1.3
        return base(**{"kind": kind, **values})
    return type(f"ELPDData{kind.upper()}", (base,), {"_kind": kind})(**values)


def _names(group: Any) -> Iterable[str]:
    return list(getattr(group, "data_vars", group))
