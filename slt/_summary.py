r"""Everything the theory says of a fit, in one table (floor 5)."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.special import softmax

from slt._arrays import SltWarning, check_log_lik, mean_se
from slt._arviz import by_chain, is_datatree
from slt._nodes import check_key
from slt.energy import FreeEnergy, stepping_stone, wbic
from slt.energy.record import mean_and_se, split
from slt.estimate import from_variance, singular_fluctuation
from slt.evidence import free_energy
from slt.losses import cv_loss, training_loss, waic_loss
from slt.posterior import nuts
from slt.triple import Posterior

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
CHAINS = 4  # of slt.nuts


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


def summary(key: jax.Array, model: Any, *args: Any, draws: int = 1000, **kwargs: Any) -> Summary:
    r"""All quantities of the theory for a model and its data, each with its error: it samples, and prints a table.

    NUTS runs at $\beta = 1$ for $T_n, C_n, W_n, V_n, \hat\nu$ and at $\beta = 1/\log n$ for WBIC and
    $\hat\lambda = \beta^2\, \mathbb{V}_w^\beta[n L_n(w)]$; `slt.free_energy` has $F_n$. Fits that you have already:
    `summary_from`.

    **Arguments:** `key`: a JAX key. `model`, `args`, `kwargs`: a `Triple` with its data or a NumPyro model with its
    arguments, as in `slt.nuts`. `draws`: of each of the four chains.
    **Returns:** `Summary`.
    **Raises:** as `slt.nuts` and `slt.free_energy`; `ValueError` for fewer than three observations. Warns
    (`SltWarning`) with every problem of the table.
    **Source:** as of the functions that it calls.

    >>> summary(0, "model", np.zeros(9))  # the key comes first; the book's page of recipes shows a table
    Traceback (most recent call last):
    TypeError: key must be one JAX key, such as jax.random.key(0); got 0.
    """
    check_key(key)
    problems: list[str] = []
    keys = jax.random.split(key, 3)
    first = _heard("beta=1", problems, lambda: nuts(keys[0], model, *args, draws=draws, **kwargs))
    fits, n = {1.0: first.log_lik}, np.shape(first.log_lik)[1]
    if n < 3:
        raise ValueError(f"WBIC and lambda need at least three observations; got {n}. slt.nuts has the others.")
    beta = float(1 / np.log(n))
    options = {"beta": beta, "draws": draws, **kwargs}
    fits[beta] = _heard(f"beta={beta:.3g}", problems, lambda: nuts(keys[1], model, *args, **options)).log_lik
    energy = _heard("F", problems, lambda: free_energy(keys[2], model, *args, **kwargs))
    return _table({b: (np.asarray(a), CHAINS) for b, a in fits.items()}, energy, problems)


def summary_from(fits: Any, *, chains: int = 1, free_energy: FreeEnergy | None = None) -> Summary:
    r"""All that can be said from fits of any sampler, each figure with its error, as a table.

    One posterior has $T_n, C_n, W_n, V_n, \hat\nu$. With one at $\beta = 1/\log n$ beside it come WBIC and
    $\hat\lambda$; with a ladder from $\beta = 0$ (the prior) to 1, such as `[*slt.energy.power_ladder(10),
    1 / np.log(n)]`, also $F_n$, by stepping stones.

    **Arguments:** `fits`: the fit at $\beta = 1$, or inverse temperature to fit. A fit is the untempered matrix
    $\log p(X_i \mid w_s)$, shape `(draws, n)` or `(chains, draws, n)`, a `Posterior`, or an ArviZ tree with one
    observed variable. `chains`: of a matrix `(draws, n)`, one after the other. `free_energy`: $F_n$, where you have it
    from elsewhere.
    **Returns:** `Summary`.
    **Raises:** `ValueError` without a fit at 1, for matrices on other data, for a fit that says it is at another
    inverse temperature, for weighted draws, and as the losses, `slt.wbic`, `slt.energy.stepping_stone`. Warns
    (`SltWarning`) with every problem of the table.
    **Source:** Xie, Lewis, Fan, Kuo and Chen (2011) for the stones; else as of the functions that it calls.

    >>> log_lik = np.random.default_rng(0).normal(-1, 0.1, (4, 1000, 20))
    >>> found = summary_from(log_lik)
    >>> list(found.figures), [note[:6] for note in found.notes]
    (['training', 'cv', 'waic', 'variance', 'singular_fluctuation'], ['F is m', 'WBIC a'])
    """
    several = isinstance(fits, Mapping) and not any(isinstance(name, str) for name in fits)  # no tree's groups
    by_beta = fits.items() if several else [(1.0 if (own := _own_beta(fits)) is None else own, fits)]
    found = {float(b): _matrix(float(b), fit, chains) for b, fit in by_beta}
    return _table(dict(sorted(found.items())), free_energy, [])


def _own_beta(fit: Any) -> float | None:
    """The inverse temperature that `slt.nuts` and `slt.to_datatree` write down in a fit."""
    attrs = {"beta": fit.beta} if isinstance(fit, Posterior) else getattr(fit, "attrs", None)
    return attrs.get("beta") if isinstance(attrs, Mapping) else None


def _matrix(beta: float, fit: Any, chains: int) -> tuple[np.ndarray, int]:
    """Any fit as its matrix `(draws, n)`, and its number of chains."""
    own = _own_beta(fit)
    if own is not None and not np.isclose(own, beta, rtol=1e-4):
        raise ValueError(f"a fit is given for beta={beta:.6g}, but says that it is at beta={own:.6g}: which is right?")
    if isinstance(fit, Posterior):
        if fit.log_weights is not None:
            raise ValueError("a summary is of equally weighted draws; this posterior has log_weights. Use the losses.")
        fit, chains = fit.log_lik, getattr(fit.diagnostics, "chains", chains)
    a = by_chain(fit) if is_datatree(fit) else np.asarray(fit)
    if a.ndim != 3:
        return np.asarray(check_log_lik(a)), chains
    return np.asarray(check_log_lik(a.reshape(-1, a.shape[-1]))), len(a)


def _table(fits: Mapping[float, tuple[np.ndarray, int]], energy: FreeEnergy | None, problems: list[str]) -> Summary:
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
        energy = _heard("F", problems, lambda: stepping_stone(np.stack(sums), betas))
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
        about_f = _heard("WBIC", problems, lambda a=a, b=beta, c=chains: wbic(a, beta=b, chains=c))
        found = _heard("lambda", problems, lambda a=a, b=beta, c=chains: from_variance(a, beta=b, chains=c))
        figures |= {"wbic": Figure(about_f.value, about_f.se), "rlct": Figure(found.value, found.se, found.spread)}
        notes.append("lambda has a systematic part between {:+.2f} and {:+.2f}".format(*found.systematic))
    if problems:
        warnings.warn(" Also, ".join(problems), SltWarning, stacklevel=3)
    return Summary(n, figures, tuple(problems), tuple(notes))


def _of_posterior(a: np.ndarray, chains: int, problems: list[str]) -> dict[str, Figure]:
    """What the posterior at beta = 1 says. The Monte Carlo errors are those of the influence of each draw."""
    likelihood = -len(a) * softmax(a, axis=0).mean(1)  # the influence on T, up to a constant; then on C, on W and V
    left_out = len(a) * softmax(-a, axis=0).mean(1)
    squares = ((a - a.mean(0)) ** 2).mean(1)
    losses = {
        "training": (training_loss(a), likelihood),
        "cv": (_heard("C", problems, lambda: cv_loss(a)), left_out),
        "waic": (waic_loss(a), likelihood + squares),
    }
    found = {}
    for name, (terms, influence) in losses.items():
        value, over_observations = mean_se(terms)
        found[name] = Figure(value, mean_and_se(split(influence, chains))[1], over_observations)
    nu = _heard("nu", problems, lambda: singular_fluctuation(a, chains=chains))
    found["variance"], found["singular_fluctuation"] = Figure(2 * nu.value, 2 * nu.se), Figure(nu.value, nu.se)
    return found


def _heard(label: str, problems: list[str], call: Callable[[], Any]) -> Any:
    """The result; its warnings go among the problems, for one warning with all of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    problems += [f"{label}: {w.message}" for w in caught if issubclass(w.category, SltWarning)]
    for w in caught:
        if not issubclass(w.category, SltWarning):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return found
