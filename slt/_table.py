r"""The table of a summary: which figure of which fit, and its errors (floor 5)."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from slt._arrays import SltWarning, mean_se
from slt._criteria import criteria
from slt.energy import FreeEnergy, stepping_stone, wbic
from slt.energy.record import mean_and_se, split
from slt.estimate import from_variance, singular_fluctuation
from slt.losses import cv_loss

ROWS = {
    "training": "T       training loss",
    "cv": "C       leave-one-out",
    "waic": "W       WAIC",
    "variance": "V       functional variance",
    "singular_fluctuation": "nu      singular fluctuation",
    "free_energy": "F       free energy",
    "wbic": "WBIC    about F",
    "rlct": "lambda  learning coefficient",
}
UNKNOWN = float("nan")
ENTRIES = 2**20  # of a matrix that are worked on at a time


class Figure(NamedTuple):
    """A value and its two standard errors: of the simulation, and over other data from the same truth."""

    value: float
    draws: float
    data: float = UNKNOWN


@dataclass(frozen=True)
class Summary:
    r"""What a fit says: each quantity with the error of its draws, and with that of the data where one is known.

    $$T_n,\ C_n,\ W_n \ \text{(nats per observation)}, \quad V_n, \quad \hat\nu, \quad F_n, \quad \mathrm{WBIC}
    \ \text{(nats)}, \quad \hat\lambda$$

    **Arguments:** `n`: observations. `figures`: name to `Figure(value, draws, data)`, for each of `training`, `cv`,
    `waic`, `variance`, `singular_fluctuation`, `free_energy`, `wbic`, `rlct` that the fits have. `draws` is the Monte
    Carlo error, which longer chains make smaller; `data` the standard error over observations ($\hat\lambda$: over
    data sets, by theory), which they do not; `nan` where nothing is known. `problems`: one sentence for each thing that
    is wrong. `notes`: what is missing, and the systematic part of $\hat\lambda$.
    **Source:** Watanabe (2018), sections 1.6, 1.7 and 6.3; Watanabe (2013).

    >>> Summary(40, {"training": Figure(1.42, 0.001, 0.1), "variance": Figure(1.9, 0.03)}, notes=("no fit at 0.27",))
    n = 40                            value   ± draws    ± data
    T       training loss            1.4200    0.0010    0.1000
    V       functional variance      1.9000    0.0300
    - no fit at 0.27
    """

    n: int
    figures: Mapping[str, Figure]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"{f'n = {self.n}':<29}{'value':>10}{'± draws':>10}{'± data':>10}"]
        for name, figure in self.figures.items():
            cells = "".join(f"{'' if np.isnan(x) else f'{x:.4f}':>10}" for x in figure)
            lines.append(f"{ROWS[name]:<29}{cells}".rstrip())
        return "\n".join([*lines, *(f"- {x}" for x in self.notes), *(f"! {x}" for x in self.problems)])


def table(fits: Mapping[float, tuple[np.ndarray, int]], energy: FreeEnergy | None, problems: list[str]) -> Summary:
    """`fits` from the lowest inverse temperature to the highest."""
    betas, ns = np.array(list(fits)), {a.shape[1] for a, _ in fits.values()}
    one, low = np.isclose(betas, 1), np.isclose(betas * np.log(max(ns)), 1, rtol=1e-4)
    if not one.any() or len(ns) > 1:
        raise ValueError(
            f"the fits must be on the same data, one of them at beta=1; got beta={', '.join(f'{b:.4g}' for b in betas)}"
            f" with {', '.join(map(str, sorted(ns)))} observations. {{1: fit, 1 / np.log(n): tempered}} serves."
        )
    n, at_one, at_low = max(ns), fits[betas[one][0]], [fits[b] for b in betas[low]]
    notes, figures = [], _of_posterior(*at_one, problems)
    if energy is None and betas[0] == 0 and len(betas) > 2:
        sums = [split(a.sum(1), chains) for a, chains in fits.values()]
        if len({a.shape for a in sums}) > 1:
            raise ValueError(
                f"the fits of a ladder must have equally many chains and draws; got {[a.shape for a in sums]}. Cut the "
                "longer ones short, from the front."
            )
        energy = heard("F", problems, lambda: stepping_stone(np.stack(sums), betas))
    if energy is None:
        notes.append(
            "F is missing: give fits on a ladder from beta=0 (the prior) to 1, or free_energy=slt.free_energy(...)"
        )
    else:
        figures["free_energy"] = Figure(energy.value, energy.se)
        notes.append(f"F by {energy.method}")
    if not at_low:
        notes.append(f"WBIC and lambda are missing: give a fit at beta = 1 / log n = {1 / np.log(n):.6g}")
    for (a, chains), beta in zip(at_low, betas[low], strict=True):
        about_f = heard("WBIC", problems, lambda a=a, b=beta, c=chains: wbic(a, beta=b, chains=c))
        found = heard("lambda", problems, lambda a=a, b=beta, c=chains: from_variance(a, beta=b, chains=c))
        figures |= {"wbic": Figure(about_f.value, about_f.se), "rlct": Figure(found.value, found.se, found.spread)}
        notes.append("lambda has a systematic part between {:+.2f} and {:+.2f}".format(*found.systematic))
    if problems:
        warnings.warn(" Also, ".join(problems), SltWarning, stacklevel=3)
    return Summary(n, figures, tuple(problems), tuple(notes))


def _of_posterior(a: np.ndarray, chains: int, problems: list[str]) -> dict[str, Figure]:
    """What the posterior at beta = 1 says. The Monte Carlo errors are those of the influence of each draw."""
    on_t, on_c, on_v, all_of_them = *_influences(a), criteria(a)
    losses = {
        "training": (all_of_them.training, on_t),
        "cv": (heard("C", problems, lambda: cv_loss(a)), on_c),
        "waic": (all_of_them.waic, on_t + on_v),
    }
    found = {}
    for name, (terms, influence) in losses.items():
        value, over_observations = mean_se(terms)
        found[name] = Figure(value, mean_and_se(split(influence, chains))[1], over_observations)
    nu = heard("nu", problems, lambda: singular_fluctuation(a, chains=chains))
    found["variance"], found["singular_fluctuation"] = Figure(2 * nu.value, 2 * nu.se), Figure(nu.value, nu.se)
    return found


def _influences(a: np.ndarray) -> np.ndarray:
    """What each draw contributes to T, to C and to V / n, up to constants: `(3, draws)`, some columns at a time."""
    total, width = np.zeros((3, len(a))), max(1, ENTRIES // len(a))
    for at in range(0, a.shape[1], width):
        part = a[:, at : at + width].astype(np.float64)
        total[0] -= len(a) * softmax(part, axis=0).sum(1)
        total[1] += len(a) * softmax(-part, axis=0).sum(1)
        total[2] += ((part - part.mean(0)) ** 2).sum(1)
    return total / a.shape[1]


def heard(label: str, problems: list[str], call: Callable[[], Any]) -> Any:
    """The result; its warnings go among the problems, for one warning with all of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    problems += [f"{label}: {w.message}" for w in caught if issubclass(w.category, SltWarning)]
    for w in caught:
        if not issubclass(w.category, SltWarning):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return found
