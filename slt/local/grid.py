r"""The estimate over a grid of steps and localizations: a plateau is what one looks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from slt.local.estimate import fitter
from slt.local.inputs import check_key
from slt.local.result import Estimate
from slt.local.settings import DEFAULT, Settings
from slt.local.verdict import verdicts

HEAD: tuple[str, ...] = ("step", "gamma", "estimate", "se", "corrected", "acceptance", "R-hat", "ESS", "look at")


@dataclass(frozen=True, repr=False)
class Sweep:
    r"""Estimates over steps (rows) and localizations $\gamma$ (columns).

    **Arguments:** `steps`, `gammas`: the grid. `estimates`: an `Estimate` for each pair, `estimates[i][j]`.
    **Source:** as `slt.local.sweep`.

    >>> Sweep((0.1,), (), ((),)).values("estimate").shape
    (1, 0)
    """

    steps: tuple[float, ...]
    gammas: tuple[float, ...]
    estimates: tuple[tuple[Estimate, ...], ...]

    def values(self, name: str) -> np.ndarray:
        """One figure of every estimate (`"estimate"`, `"se"`, `"acceptance"`, ...), shape `(steps, gammas)`."""
        shape = (len(self.steps), len(self.gammas))
        return np.array([[getattr(e, name) for e in row] for row in self.estimates], dtype=float).reshape(shape)

    def table(self) -> str:
        """The table in plain text, one line for each pair; the last column names the diagnostics that failed."""
        lines = [HEAD]
        for row in self.estimates:
            for e in row:
                failed = ", ".join(dict.fromkeys(text.split()[0].rstrip(":") for good, text in verdicts(e) if not good))
                figures = (e.estimate, e.se, e.corrected, e.acceptance, e.rhat)
                lines.append(
                    (f"{e.step:.3g}", f"{e.gamma:.3g}", *(f"{a:.4g}" for a in figures), f"{e.ess:.0f}", failed)
                )
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        pad = lambda line: "  ".join(a.rjust(w) for a, w in zip(line[:-1], widths, strict=False)) + "  " + line[-1]  # noqa: E731
        return "\n".join(pad(line).rstrip() for line in lines)

    def __repr__(self) -> str:
        return self.table()


def sweep(
    key: jax.Array,
    loss: Any,
    params: Any,
    data: Any,
    *,
    steps: Sequence[float],
    gammas: Sequence[float],
    beta: float | None = None,
    mask: Any = None,
    settings: Settings = DEFAULT,
) -> Sweep:
    r"""The local learning coefficient for each pair of a step and a localization, by one compiled program.

    $$(\varepsilon, \gamma) \mapsto \hat\lambda(w^*;\, \varepsilon, \gamma)$$

    A figure to trust lies on a plateau: no change when the step is halved (the bias is proportional to it), none when
    $\gamma$ is halved (`gamma_slope` near zero). There is no such plateau where flat directions are held by $\gamma$
    alone and the loss bends along them; then say which $\gamma$ was used.

    **Arguments:** `steps`, `gammas`: the grid; the rest as in `slt.local_learning_coefficient`. Every pair has a key of
    its own, so that differences between pairs have independent errors.
    **Returns:** a `Sweep`, which prints its table. A chain that diverges leaves NaN in its line and no warning: the
    last column says what failed.
    **Raises:** as `slt.local_learning_coefficient`; `ValueError` for an empty grid.
    **Source:** Lau, Furman, Wang, Murfet and Wei (2025), on the choice of step and localization.

    >>> x = np.random.default_rng(0).normal(size=(100, 1))
    >>> loss = lambda w, x: 0.5 * ((x - w) ** 2).sum(1).mean()
    >>> sweep(jax.random.key(0), loss, x.mean(0), x, steps=[0.01, 0.02], gammas=[1.0]).values("se").shape
    (2, 1)
    """
    check_key(key)
    grid = tuple(map(float, steps)), tuple(map(float, gammas))
    if not (grid[0] and grid[1]):
        raise ValueError(f"sweep wants at least one step and one gamma; got steps={steps!r}, gammas={gammas!r}.")
    fit = fitter(loss, params, data, beta, mask, settings)
    keys = jax.random.split(key, (len(grid[0]), len(grid[1])))
    rows = [tuple(fit(keys[i, j], s, g) for j, g in enumerate(grid[1])) for i, s in enumerate(grid[0])]
    return Sweep(*grid, tuple(rows))
