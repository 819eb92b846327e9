r"""The singular fluctuation $\nu$ from the functional variance."""

from typing import Any

import numpy as np

from slt._arrays import check_beta, check_log_lik
from slt.energy.record import mean_and_se, split
from slt.estimate.record import ESS, Estimate, finish, unmixed

SETS = 11  # of data, for ten degrees of freedom


def singular_fluctuation(log_lik: Any, *, beta: float = 1.0, chains: int = 1) -> Estimate:
    r"""Singular fluctuation $\nu$ from the functional variance, of one data set or of many.

    $$\hat\nu = \frac\beta2 V_n = \frac\beta2 \sum_i \mathbb{V}_w[\log p(X_i \mid w)], \qquad
    \nu = \lim_{n \to \infty} \mathbb{E}[\hat\nu]$$

    $V_n$ of a regular model converges; that of a singular one has a random limit, so that a single data set tells
    $\nu$ only up to a spread that it does not know, and its interval is `nan`. Give several data sets.

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, draws at inverse temperature `beta`; or a
    sequence of such matrices, one for each of several independent data sets. `chains`: how many chains of equal
    length the draws are, one after the other.
    **Returns:** `Estimate` of $\nu$. One data set: `se` is the Monte Carlo error, $V_n$ being a mean over draws of
    $\sum_i (\log p(X_i|w_s) - \text{mean})^2$ (`ddof=0`). Several: `se` is that between data sets (`ddof=1`), in which
    the Monte Carlo error is contained; `diagnostics` has `values` and `monte_carlo`, their own errors.
    **Raises:** `ValueError` if a matrix is not finite, not 2-D, or `chains` does not divide the draws; and for one
    3-D array, which may be chains of one data set. Warns (`SltWarning`) if chains have not mixed or have too few
    independent draws, or if there are from two to ten data sets.
    **Source:** Watanabe (2018), sections 3.3 and 6.3.

    >>> x, w = np.random.default_rng(0).normal(size=100), np.random.default_rng(1).normal(size=(4000, 1))
    >>> log_lik = -0.5 * (x - x.mean() - w / 10) ** 2  # the posterior of a normal mean: ν = 1/2
    >>> round(singular_fluctuation(log_lik).value, 1)
    0.5
    """
    check_beta(beta)
    if np.ndim(log_lik) == 3 and not isinstance(log_lik, list | tuple):
        raise ValueError(
            f"log_lik is one array of shape {np.shape(log_lik)}. Chains of one data set go one after the other: "
            "reshape to (draws, n) and say chains=. Several data sets: list(log_lik)."
        )
    matrices = [log_lik] if np.ndim(log_lik[0]) == 1 else list(log_lik)
    found, problems = [], []
    for k, matrix in enumerate(matrices):
        a = np.asarray(check_log_lik(np.asarray(matrix)), dtype=np.float64)
        squares = split(((a - a.mean(0)) ** 2).sum(1), chains)
        value, se = mean_and_se(squares)
        found.append((beta / 2 * value, beta / 2 * se))
        where = f" in data set {k}" if len(matrices) > 1 else ""
        problems += unmixed(split(-a.sum(1), chains), where) if not problems else []
        worth = (squares.std() / se) ** 2 if se > 0 else squares.size
        if worth < ESS and not problems:
            problems.append(
                f"V_n is worth {worth:.0f} independent draws{where} (at least {ESS}): it rests on a few of them. Draw "
                "longer."
            )
    values, errors = np.array(found).T
    if len(matrices) == 1:
        about = {"spread": np.nan, "reason": "one data set: V_n may have a random limit"}
        return finish(values[0], errors[0], "functional variance", problems, **about)
    if len(values) < SETS:
        problems.append(
            f"the error comes from {len(values)} data sets (at least {SETS} wanted): two standard errors cover less "
            "than 95 per cent. Give more."
        )
    about = {"reason": f"{len(values)} data sets", "diagnostics": {"values": values, "monte_carlo": errors}}
    return finish(values.mean(), values.std(ddof=1) / np.sqrt(len(values)), "functional variance", problems, **about)
