r"""Models side by side on the same data, with the standard error of the difference (floor 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from slt._arrays import check_beta, check_log_lik, mean_se
from slt._criteria import Criteria
from slt._pareto import smoothed_cv
from slt.losses import k_threshold

SMALL = 100  # observations below which the error of a difference is itself uncertain
NEAR = 4.0  # nats in total below which two models predict so alike that their difference is not normal


@dataclass(frozen=True, repr=False)
class Comparison:
    r"""Models from best to worst; what `slt.compare` returns. Printed, it is a table and one sentence.

    **Arguments:** `names`; `loss`, `se`: mean loss and its standard error; `difference`, `difference_se`: mean of the
    differences of the terms from those of the best model, and its standard error; all shape `(models,)`, nats per
    observation. `flagged`: how many observations have a Pareto $k$ that is too large, `None` where that is not known.
    `n`: observations.
    **Source:** Vehtari, Gelman and Gabry (2017), section 5.2.

    >>> compare({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.5, 2.7, 3.3])}).names
    ('a', 'b')
    """

    names: tuple[str, ...]
    loss: np.ndarray
    se: np.ndarray
    difference: np.ndarray
    difference_se: np.ndarray
    flagged: tuple[int | None, ...]
    n: int

    @property
    def sentence(self) -> str:
        """How much better the best model is than the next, how sure that is, and whether the approximation holds."""
        if len(self.names) == 1:
            return self._approximation()
        first, second = self.names[:2]
        gap, se = float(self.difference[1]), float(self.difference_se[1])
        if gap == 0 and se == 0:
            return f"{first} and {second} predict identically. {self._approximation()}"
        sure = f"{gap:.3g} ± {se:.2g} nats per observation ({gap * self.n:.3g} ± {se * self.n:.2g} in total)"
        ratio = gap / se if se > 0 else np.inf
        verdict = (
            f"{first} predicts better than {second} by {sure}, {ratio:.1f} standard errors"
            if ratio >= 2
            else f"{first} and {second} cannot be told apart: the difference is {sure}"
        )
        doubts = []
        if self.n < SMALL:
            doubts.append(f"with {self.n} observations the standard error is itself uncertain")
        if gap * self.n < NEAR:
            doubts.append("models so alike make the standard error too small")
        doubt = f" ({'; '.join(doubts)})" if doubts else ""
        return f"{verdict}{doubt}. {self._approximation()}"

    def _approximation(self) -> str:
        bad = [f"{k} of {name}" for name, k in zip(self.names, self.flagged, strict=True) if k]
        if bad:
            return (
                f"Pareto k is too large for {', '.join(bad)} ({self.n} observations each): those losses are "
                "unreliable; refit them with slt.cv_loss(..., refit=)."
            )
        if None in self.flagged:
            return "Whether the losses are good approximations cannot be seen from their terms: look at slt.pareto_k."
        return "Pareto k is small for all observations: the approximation of leave-one-out holds."

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per model, best first: the columns of the table."""
        with np.errstate(invalid="ignore", divide="ignore"):
            worse = norm.cdf(self.difference / self.difference_se)
        table = zip(
            self.names, self.loss, self.se, self.difference, self.difference_se, worse, self.flagged, strict=True
        )
        keys = ("model", "loss", "se", "difference", "difference_se", "p_worse", "large_k")
        return [dict(zip(keys, row, strict=True)) for row in table]

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame, indexed by model; pandas must be installed."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install pandas. Without it use .rows().") from error
        return pandas.DataFrame(self.rows()).set_index("model")

    def __repr__(self) -> str:
        width = max(5, *(len(name) for name in self.names))
        head = f"{'model':<{width}}  {'loss':>9} {'SE':>8}  {'difference':>10} {'SE':>8}  {'k too large':>11}"
        lines = [f"Loss per observation in nats, lower is better, {self.n} observations", head]
        for r in self.rows():
            flagged = "?" if r["large_k"] is None else str(r["large_k"])
            lines.append(
                f"{r['model']:<{width}}  {r['loss']:9.4f} {r['se']:8.4f}  {r['difference']:10.4f} "
                f"{r['difference_se']:8.4f}  {flagged:>11}"
            )
        return "\n".join([*lines, self.sentence])


def compare(models: Mapping[str, Any], *, beta: float = 1.0) -> Comparison:
    r"""Which model predicts best, by how much, and how sure that is.

    $$\Delta = \frac1n \sum_i (\ell_i^A - \ell_i^B), \qquad
    \mathrm{se}(\Delta) = \sqrt{\frac{1}{n(n-1)} \sum_i (\ell_i^A - \ell_i^B - \Delta)^2}$$

    The terms are paired: the standard error of the difference is much smaller than those of the losses where both
    models find the same observations hard.

    **Arguments:** `models`: name to a log-likelihood matrix `(draws, n)`, compared by leave-one-out with Pareto
    smoothing; or to the terms of a loss `(n,)`, as from `cv_loss` or `waic_loss`; or to `Criteria`, whose `cv` is
    taken. All of the same observations in the same order. `beta`: inverse temperature of the posteriors behind the
    matrices.
    **Returns:** `Comparison`, best model first; its `.sentence` says it in words, `.rows()` and `.to_pandas()` hold the
    table. Standard errors have `ddof=1`.
    **Raises:** `ValueError` without a model, for fewer than two observations, for numbers of observations that differ
    (the message lists them), and as in `cv_loss`.
    **Source:** Vehtari, Gelman and Gabry (2017), section 5.2; Sivula, Magnusson, Matamoros and Vehtari (2025) for the
    cautions.

    >>> compare({"flat": np.array([1.5, 2.7, 3.3]), "line": np.array([1.0, 2.0, 3.0])}).difference.round(3).tolist()
    [0.0, 0.5]
    """
    check_beta(beta)
    if not isinstance(models, Mapping) or not models:
        raise ValueError('compare wants at least one model: compare({"name": log_lik or terms, ...}).')
    terms, flagged = {}, {}
    for name, value in models.items():
        terms[str(name)], flagged[str(name)] = _terms(value, beta)
    lengths = {name: len(t) for name, t in terms.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"the models must be judged on the same observations; got {lengths}. Use the rows that all of them have."
        )
    names = tuple(sorted(terms, key=lambda name: terms[name].mean()))
    best = terms[names[0]]
    losses, gaps = [mean_se(terms[k]) for k in names], [mean_se(terms[k] - best) for k in names]
    return Comparison(
        names,
        np.array([m.mean for m in losses]),
        np.array([m.se for m in losses]),
        np.array([m.mean for m in gaps]),
        np.array([m.se for m in gaps]),
        tuple(flagged[name] for name in names),
        len(best),
    )


def _terms(value: Any, beta: float) -> tuple[np.ndarray, int | None]:
    """The terms of one model in float64, and how many of them are known to be unreliable."""
    if isinstance(value, Criteria):
        value = value.cv
    if np.ndim(value) == 1:
        return np.asarray(value, dtype=np.float64), None
    a = np.asarray(check_log_lik(value))
    terms, k = smoothed_cv(a, beta=float(beta))
    return terms, int((~(k <= k_threshold(len(a)))).sum())
