r"""What the estimator is on a quadratic loss: step, batches, $\gamma$ and $n$ in one formula."""

from typing import Any

import numpy as np

from slt.local.inputs import check_numbers


def quadratic_expectation(
    curvatures: Any,
    n: int,
    *,
    beta: float | None = None,
    gamma: float = 0.0,
    step: float = 0.0,
    gradient_variance: Any = 0.0,
) -> float:
    r"""Expectation of $\hat\lambda$ at the minimum of a quadratic loss, for chains of SGLD that have arrived.

    $$\hat\lambda = \frac12 \sum_i \frac{n\beta h_i}{n\beta h_i + \gamma} \cdot
    \frac{1 + \varepsilon (n\beta)^2 c_i / 4}{1 - \varepsilon (n\beta h_i + \gamma) / 4}$$

    One direction of curvature $h$ is the recursion $u' = (1 - a)u - \frac{\varepsilon}{2} n\beta\,\zeta +
    \sqrt{\varepsilon}\,\xi$ with $a = \frac{\varepsilon}{2}(n\beta h + \gamma)$, whose stationary variance is
    $(\varepsilon + \frac{\varepsilon^2}{4} (n\beta)^2 c)/(1 - (1 - a)^2)$. With step 0 it is the localized posterior
    itself, which MALA samples; with $\gamma = 0$ besides, half the number of curved directions. At a *true* parameter
    in place of the minimum the expectation over data is lower by the factor $1 - 1/\log n$ (at $\beta = 1/\log n$,
    $\gamma = 0$, a model that holds the truth).

    **Arguments:** `curvatures`: eigenvalues $h_i \ge 0$ of the Hessian of the mean loss, shape `(d,)`. `n`: number of
    observations. `beta`, `gamma`, `step`: as in `slt.local_learning_coefficient`. `gradient_variance`: $c_i$, variance
    of the gradient of a batch along each eigendirection (for batches of $B$ drawn with replacement, the variance of
    one observation's gradient over $B$).
    **Returns:** a float, in the unit of $\lambda$.
    **Raises:** `ValueError` for a negative curvature, or a step of $4/(n\beta h + \gamma)$ and more, at which the chain
    diverges.
    **Source:** the fixed point of the recursion above; Lau, Furman, Wang, Murfet and Wei (2025) for the estimator.

    >>> quadratic_expectation([1.0, 1.0, 0.0], 1000)
    1.0
    >>> round(quadratic_expectation([1.0, 1.0], 1000, gamma=10.0, step=0.001), 4)
    0.973
    """
    h, c = np.asarray(curvatures, dtype=np.float64), np.asarray(gradient_variance, dtype=np.float64)
    if h.ndim != 1 or not (np.isfinite(h).all() and (h >= 0).all()):
        raise ValueError(
            f"curvatures must be eigenvalues >= 0, shape (d,); got {h.tolist()}. Below zero w* is no minimum, and the "
            "loss has no posterior around it."
        )
    if not ((c >= 0).all() and (c.ndim == 0 or c.shape == h.shape)):
        raise ValueError(f"gradient_variance must be >= 0, a number or shape {h.shape}; got {c.tolist()}.")
    if n < 3:
        raise ValueError(f"n must be a number of observations, at least 3; got {n!r}.")
    n_beta = n * check_numbers(step or 1.0, gamma, beta, n)
    slopes = n_beta * h
    total = slopes + gamma
    if step < 0 or (step * total >= 4).any():
        raise ValueError(
            f"step must lie in [0, 4 / (n beta h + gamma)) = [0, {4 / total.max():.4g}) for the largest curvature; got "
            f"{step!r}: beyond it the chain diverges."
        )
    held = np.divide(slopes, total, out=np.zeros_like(h), where=slopes > 0)
    return float(0.5 * (held * (1 + step * n_beta**2 * c / 4) / (1 - step * total / 4)).sum())
