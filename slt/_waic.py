r"""WAIC for ArviZ 1.x, in the conventions of `arviz.loo` (floor 3)."""

import warnings
from typing import Any, Literal

import numpy as np

from slt._arrays import SltWarning, check_log_lik
from slt._arviz import elpd_data, from_datatree, is_datatree
from slt.losses import functional_variance, training_loss

LARGE = 0.4  # nats² of posterior variance beyond which the expansion behind WAIC is doubtful
SCALES = {"log": 1.0, "negative_log": -1.0, "deviance": -2.0}


def waic(
    data: Any,
    *,
    pointwise: bool = True,
    var_name: str | None = None,
    scale: Literal["log", "negative_log", "deviance"] = "log",
    ddof: int = 0,
) -> Any:
    r"""WAIC of an ArviZ DataTree, as ArviZ 0.x had it and ArviZ 1.x has `loo`.

    $$\mathrm{elpd}_\mathrm{waic} = -n W_n = \sum_i \log \mathbb{E}_w[p(X_i \mid w)] - p_\mathrm{waic}, \qquad
    p_\mathrm{waic} = V_n = \sum_i \mathbb{V}_w[\log p(X_i \mid w)]$$

    It is the loss `waic_loss` in other units: a total over the observations, with the sign changed.

    **Arguments:** `data`: a DataTree with a `log_likelihood` group, or whatever `slt.log_lik` takes in its place.
    `pointwise`: whether `elpd_i` is kept, which `arviz.compare` needs. `var_name`: the observed variable, where there
    are several; to put several together see `slt.observations`. `scale`: `"log"` (elpd), `"negative_log"`, or
    `"deviance"` ($2 n W_n$); `arviz.compare` wants `"log"`. `ddof`: of the posterior variance; 0 here and in ArviZ,
    1 in R's loo.
    **Returns:** ArviZ's `ELPDData` of the kind `"waic"`, with `elpd`, `se` ($\sqrt n$ times the standard deviation of
    `elpd_i`, `ddof=1`, as `arviz.loo`), `p`, `n_samples`, `n_data_points`, `scale`, `warning` and `elpd_i` in the
    variable's own dimensions. `arviz.compare` takes it among others of its kind.
    **Raises:** `ValueError` without log-likelihoods, for several variables of which none is named, for another scale or
    `ddof`, and as in `waic_loss`. Warns (`SltWarning`) with the observations whose variance exceeds 0.4.
    **Source:** Watanabe (2010); Vehtari, Gelman and Gabry (2017), section 2.2.

    >>> log_lik = np.log(np.array([[[0.5, 0.2], [0.5, 0.2]]]))  # one chain of two equal draws
    >>> result = waic({"log_likelihood": {"y": log_lik}})
    >>> round(float(result.elpd), 6), float(result.p)  # log(0.5 * 0.2)
    (-2.302585, 0.0)
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}; got {scale!r}.")
    if ddof not in (0, 1):
        raise ValueError(f"ddof must be 0 (Watanabe, ArviZ) or 1 (R's loo); got {ddof!r}.")
    if not is_datatree(data):
        raise ValueError(
            f"waic wants an ArviZ DataTree with a log_likelihood group; got {type(data).__name__}. For a matrix use "
            "slt.waic_loss(log_lik), for a model and draws slt.waic_loss(slt.log_lik(model, draws, ...))."
        )
    log_lik = check_log_lik(from_datatree(data, var_name).astype(np.float64))
    draws, n = log_lik.shape
    variance = functional_variance(log_lik) * draws / (draws - ddof)
    elpd_i = -training_loss(log_lik) - variance
    flagged = np.flatnonzero(variance > LARGE)
    if flagged.size:
        shown = ", ".join(map(str, flagged[:10])) + (", ..." if flagged.size > 10 else "")
        warnings.warn(
            f"the posterior variance of log p(X_i | w) exceeds {LARGE} for {flagged.size} of {n} observations (indices "
            f"{shown}; largest {variance.max():.2f}): one observation moves the posterior much, and WAIC and "
            "leave-one-out may differ there. Compare with arviz.loo, or refit without them: slt.cv_loss(..., refit=).",
            SltWarning,
            stacklevel=2,
        )
    factor = SCALES[scale]
    return elpd_data(
        data,
        "waic",
        var_name,
        elpd=factor * elpd_i.sum(),
        se=abs(factor) * np.sqrt(n * elpd_i.var(ddof=1)) if n > 1 else 0.0,
        p=variance.sum(),
        n_samples=draws,
        n_data_points=n,
        scale=scale,
        warning=bool(flagged.size),
        good_k=None,
        elpd_i=factor * elpd_i if pointwise else None,
    )
