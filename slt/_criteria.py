r"""Training loss, cross-validation, WAIC and functional variance together, from one pass (floor 3)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from slt._arrays import LogLik, LogWeights, check_beta, check_log_lik, check_log_weights, is_tracer, mean_se
from slt._fused import sums
from slt.losses import cv_loss, functional_variance, training_loss

CAREFUL = 2**20  # entries that the careful path holds at a time


class Criteria(NamedTuple):
    r"""The four criteria of one model on one data set, one term per observation.

    $$T_n = \overline{\mathtt{training}}, \quad C_n = \overline{\mathtt{cv}}, \quad W_n = \overline{\mathtt{waic}},
    \quad V_n = \textstyle\sum_i \mathtt{variance}_i$$

    `training`, `cv` (importance sampling, not smoothed) and `waic` are in nats per observation, `variance` in nats²;
    each has shape `(n,)`. Printed, it shows $T_n$, $C_n$, $W_n$ with standard errors and $V_n$.

    **Source:** Watanabe (2018), section 1.6.

    >>> Criteria(*(np.array([1.0, 3.0]) + k for k in range(4)))
    Criteria(n=2; T=2.0000 ± 1.0000; C=3.0000 ± 1.0000; W=4.0000 ± 1.0000; V=10.0000)
    """

    training: Any
    cv: Any
    waic: Any
    variance: Any

    def __repr__(self) -> str:
        if is_tracer(*self) or np.ndim(self.training) != 1 or len(self.training) < 2:
            return f"Criteria(training={self.training}, cv={self.cv}, waic={self.waic}, variance={self.variance})"
        loss = {"T": self.training, "C": self.cv, "W": self.waic}
        parts = [f"n={len(self.training)}", *(f"{k}={mean_se(v)}" for k, v in loss.items())]
        return f"Criteria({'; '.join(parts)}; V={float(np.sum(self.variance, dtype=np.float64)):.4f})"


def criteria(log_lik: LogLik, *, beta: float = 1.0, log_weights: LogWeights | None = None) -> Criteria:
    r"""Training loss, cross-validation loss, WAIC and functional variance, each matrix entry read once.

    $$T_n = -\frac1n \sum_i \log \mathbb{E}_w[p(X_i \mid w)], \quad
    C_n = -\frac1n \sum_i \log \frac{\mathbb{E}_w[p(X_i \mid w)^{1-\beta}]}{\mathbb{E}_w[p(X_i \mid w)^{-\beta}]}, \quad
    W_n = T_n + \frac{\beta}{n} V_n, \quad V_n = \sum_i \mathbb{V}_w[\log p(X_i \mid w)]$$

    The same numbers as `training_loss`, `cv_loss(..., method="plain")`, `waic_loss` and `functional_variance`, faster
    and without a second matrix in memory; all cores are used. A `np.memmap` that is larger than the free memory is read
    once, some rows at a time. `cv` has no Pareto smoothing and no warning: look at `slt.pareto_k` before you trust it.

    **Arguments:** `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`, in nats, untempered, draws from the posterior
    at inverse temperature `beta`. `log_weights`: log posterior weights of the draws, shape `(draws,)`, up to a
    constant; `None` for equal weights.
    **Returns:** `Criteria`: `training`, `cv`, `waic` in nats per observation and `variance` in nats², each of shape
    `(n,)`. Variance over draws with `ddof=0`. The dtype of `log_lik` is kept; sums are float64.
    **Raises:** `ValueError` as in `waic_loss`.
    **Source:** Watanabe (2018), section 1.6.

    >>> log_lik = np.log(np.array([[0.5, 0.2], [0.25, 0.2]]))
    >>> found = criteria(log_lik)
    >>> np.exp(-found.training).round(6).tolist(), np.exp(found.cv).round(6).tolist()
    ([0.375, 0.2], [3.0, 5.0])
    """
    check_beta(beta)
    a = check_log_lik(log_lik, finite=False)
    w = check_log_weights(log_weights, a.shape[0])
    if is_tracer(a, w, beta) or (isinstance(a, jax.Array) and next(iter(a.devices())).platform != "cpu"):
        return _careful(a, beta, w)
    matrix = np.asarray(a)
    found = _fused(matrix, float(beta), None if w is None else np.asarray(w, dtype=np.float64))
    if isinstance(a, jax.Array):
        return Criteria(*(jnp.asarray(t, dtype=a.dtype) for t in found))
    return Criteria(*(t.astype(a.dtype.newbyteorder("=")) for t in found))


def _careful(a: Any, beta: float, log_weights: Any) -> Criteria:
    """By the plain functions, which guard every column against overflow."""
    training = training_loss(a, log_weights=log_weights)
    variance = functional_variance(a, log_weights=log_weights)
    cv = cv_loss(a, beta=beta, method="plain", log_weights=log_weights)
    return Criteria(training, cv, training + beta * variance, variance)


def _fused(a: np.ndarray, beta: float, log_weights: np.ndarray | None) -> Criteria:
    """By sums around one shift per column, and carefully where those cannot be trusted."""
    s = sums(a, None if log_weights is None else softmax(log_weights), beta)
    with np.errstate(all="ignore"):
        training = -s.shift - np.log(s.likelihood)
        cv = np.log(s.inverse) - np.log(s.rest) - s.shift
        variance = np.maximum(s.square - s.mean**2, 0.0)
    columns = np.flatnonzero(~s.safe)
    if columns.size:
        if not np.isfinite(s.square[columns]).all():
            check_log_lik(a)
        # One width, so that one program serves all blocks; the last one repeats its last column.
        width = min(columns.size, max(1, CAREFUL // len(a)))
        for lo in range(0, columns.size, width):
            block = columns[np.minimum(np.arange(lo, lo + width), columns.size - 1)]
            part = _careful(a[:, block].astype(np.float64), beta, log_weights)
            training[block], cv[block], variance[block] = part.training, part.cv, part.variance
    return Criteria(training, cv, training + beta * variance, variance)
