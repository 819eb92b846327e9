r"""$\lambda$ and $m$ from the growth of the free energy with $n$."""

from typing import Any

import numpy as np

from slt._arrays import MeanSE
from slt.energy.record import check_finite
from slt.estimate.record import Estimate, check_one, finish

FREEDOM = 10  # degrees of freedom below which two standard errors are less than 95 per cent
NEAR = 0.25  # of a whole number, at which an estimate of m is taken for it: log log n + a is not quite log log n


def from_free_energies(n: Any, free_energy: Any, *, multiplicity: int | None = None, nested: bool = True) -> Estimate:
    r"""$\lambda$, and $m$ if it is not given, from free energies at several $n$: generalized least squares.

    $$F_n - n S_n = \lambda \log n - (m - 1) \log\log n + c + \epsilon_n, \qquad
    \mathrm{Cov}(\epsilon_n, \epsilon_{n'}) \propto \frac{\min(n, n')}{\max(n, n')}$$

    The covariance is that of data sets each of which contains the smaller ones: the noise is the square of a
    normalized sum. It is that of regular models to leading order and only weights the sizes for others, because the
    error comes from the spread of the fitted values over data sets; with a single data set it comes from the residuals
    and does rest on the covariance. Where the truth is not in the model, $F_n - n S_n$ grows like $n$: give
    $F_n - n L_n(w_0)$, which is the same where it is. The minimum $n L_n(\hat w)$ of a compact model does not change
    $\lambda$ either, but the noise.

    The systematic part is what the unknown constant in $(m - 1) \log(\log n + a)$ does, $0 \le a \le 1/\lambda$; with
    few sizes, or sizes close together, it is large if $m$ is fitted. The constant shifts $\hat m$ too, which its error
    does not say. The next pole of the zeta function adds a part of order $n^{-(\lambda' - \lambda)}$, not counted here.

    **Arguments:** `n`: sizes, shape `(k,)`, increasing, at least 3. `free_energy`: $F_n - n S_n$ in nats, shape `(k,)`
    or, better, `(datasets, k)`, rows independent. `multiplicity`: $m$ if known; if left out it is fitted, which needs
    sizes over many orders of magnitude. `nested`: whether the data of a row are shared, as above; `False` if each
    size has data of its own.
    **Returns:** `Estimate` of $\lambda$; `multiplicity` is $\hat m$ with its error where it was fitted.
    **Raises:** `ValueError` for shapes that do not fit, sizes that do not increase, or too few of them. Warns
    (`SltWarning`) if the error has fewer than ten degrees of freedom, and if not exactly one whole number is within two
    errors, or a quarter, of $\hat m$.
    **Source:** Watanabe (2018), sections 5.3 and 6.3; the covariance as derived here.

    >>> rng, n = np.random.default_rng(0), np.array([100, 1000, 10_000])
    >>> energies = 1.5 * np.log(n) + rng.normal(size=(100, 3))
    >>> estimate = from_free_energies(n, energies, multiplicity=1, nested=False)
    >>> bool(abs(estimate.value - 1.5) < 3 * estimate.se)
    True
    """
    size, y = np.asarray(n, dtype=np.float64), np.atleast_2d(np.asarray(free_energy, dtype=np.float64))
    unknown = 3 if multiplicity is None else 2
    if size.ndim != 1 or len(size) < unknown or not ((size >= 3).all() and (np.diff(size) > 0).all()):
        raise ValueError(
            f"n must hold at least {unknown} increasing sizes of 3 and more (to fit m takes one more); got {n!r}."
        )
    if y.ndim != 2 or y.shape[1] != len(size):
        raise ValueError(f"free_energy must have shape ({len(size)},) or (datasets, {len(size)}); got {y.shape}.")
    check_finite(y, "free_energy")
    log_n = np.log(size)
    columns, loglog = [log_n, np.ones_like(log_n)], np.log(log_n)
    if multiplicity is None:
        columns.insert(1, -loglog)
    else:
        y = y + (check_one(multiplicity) - 1) * loglog
    x = np.stack(columns, axis=1)
    ratio = size[:, None] / size
    covariance = np.minimum(ratio, 1 / ratio) if nested else np.eye(len(size))
    precision = np.linalg.inv(covariance)
    bread = np.linalg.inv(x.T @ precision @ x)
    weights = bread @ x.T @ precision  # rows: how each coefficient is made of the free energies
    fitted = y @ weights.T
    mean, freedom = fitted.mean(0), len(y) - 1
    if len(y) > 1:
        se = fitted.std(0, ddof=1) / np.sqrt(len(y))
    else:
        residual, freedom = y[0] - x @ mean, len(size) - unknown
        if freedom < 1:
            raise ValueError(
                f"{len(size)} sizes of one data set leave no residual to tell the error. Give a size more, or several "
                "data sets as rows."
            )
        se = np.sqrt(np.diag(bread) * (residual @ precision @ residual) / freedom)
    problems = []
    if freedom < FREEDOM:
        problems.append(
            f"the error has {freedom} degrees of freedom (at least {FREEDOM} wanted): two standard errors cover less "
            "than 95 per cent. Give more data sets."
        )
    m = None if multiplicity is not None else MeanSE(1 + float(mean[1]), float(se[1]))
    reach = 0.0 if m is None else max(2 * m.se, NEAR)
    if m is not None and np.floor(m.mean + reach) - np.ceil(max(m.mean - reach, 1.0)) != 0:
        problems.append(
            f"m = {m.mean:.2f} ± {m.se:.2f} is not decided: log n and log log n are too alike on these sizes, or the "
            "next pole is near. Give multiplicity=, or sizes over more orders of magnitude."
        )
    units = (multiplicity or 1) - 1 if m is None else max(0.0, np.ceil(m.mean - NEAR) - 1)
    lift = -units * weights[0] @ (np.log(log_n + 1 / max(mean[0], 1e-3)) - loglog)
    given = f"m = {multiplicity}" if m is None else "m fitted"
    reason = f"{given}, log n from {log_n[0]:.3g} to {log_n[-1]:.3g}"
    about = {"systematic": (float(min(lift, 0.0)), float(max(lift, 0.0))), "reason": reason, "multiplicity": m}
    return finish(mean[0], se[0], "growth of the free energy", problems, **about, diagnostics={"freedom": freedom})
