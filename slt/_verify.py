r"""The theory against computation, formula by formula, on any triple (floor 7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpyro.distributions import Distribution

from slt._arrays import MeanSE, mean_se
from slt._replicate import Replicated, replicate
from slt.zoo import Specimen


@dataclass(frozen=True)
class Claim:
    r"""Both sides of one formula.

    **Arguments:** `formula`: in words of the theory. `beta`: of the posterior. `left`, `right`: the sides, in nats.
    `se`: standard error of their difference over data sets. `exact`: whether it holds at every n, or only up to a
    remainder that vanishes as $n \to \infty$.
    **Source:** the formula's own.

    >>> Claim("a = b", 1.0, left=1.2, right=1.0, se=0.1, exact=True)
    Claim(a = b at beta=1: 1.200 against 1.000, difference 0.200 ± 0.100)
    """

    formula: str
    beta: float
    left: float
    right: float
    se: float
    exact: bool

    def __repr__(self) -> str:
        sides = f"{self.left:.3f} against {self.right:.3f}, difference {self.left - self.right:.3f} ± {self.se:.3f}"
        return f"Claim({self.formula} at beta={self.beta:g}: {sides})"


@dataclass(frozen=True)
class Verification:
    r"""The claims that were checked, and the data sets that they were checked on.

    **Arguments:** `claims`: in order. `replicated`: inverse temperature to `Replicated`.
    **Source:** as in `verify`.

    >>> Verification((Claim("a = b", 1.0, left=1.2, right=1.0, se=0.1, exact=True),), {})
    beta  left     right    difference       holds      formula
    1     1.200    1.000    0.200 ± 0.100    exactly    a = b
    """

    claims: tuple[Claim, ...]
    replicated: Mapping[float, Replicated]

    def __repr__(self) -> str:
        lines = ["beta  left     right    difference       holds      formula"]
        for c in self.claims:
            apart = f"{c.left - c.right:.3f} ± {c.se:.3f}"
            kind = "exactly" if c.exact else "as n grows"
            lines.append(f"{c.beta:<5g} {c.left:<8.3f} {c.right:<8.3f} {apart:<16} {kind:<10} {c.formula}")
        return "\n".join(lines)


def verify(
    key: jax.Array,
    specimen: Specimen,
    n: int,
    *,
    datasets: int = 100,
    betas: Sequence[float] = (1.0, 0.5),
    sampler: Callable[..., Any] | None = None,
    free_energy: bool = False,
) -> Verification:
    r"""Check the formulas of the theory on a member of the zoo, over many data sets.

    $$n(\mathbb{E}[G_n] - S) \to \frac{\lambda - \nu}{\beta} + \nu, \qquad
    \mathbb{E}[B_g - B_t] = 2\beta\,\mathbb{E}[G_t - B_t] + o(1/n), \qquad
    (G_n - S) + (C_n - S_n) = \frac{2\lambda}{n} + o_p(1/n)$$

    and the others of the theory. `free_energy=True` adds $\beta F_n(\beta) = \beta n S_n + \lambda \log n - (m - 1)
    \log\log n + O_p(1)$, whose constant falls out of the difference between $n$ and $4n$, and WBIC against $F_n$.
    Where a formula has a remainder, the difference of its sides need not be within its standard error; it shrinks as n
    grows, for WBIC and where $m > 1$ only like $1/\log n$.

    **Arguments:** `key`: a JAX key. `specimen`: of `slt.zoo`, realizable. `n`: observations per data set, at least 4.
    `datasets`: how many. `betas`: inverse temperatures; 1 brings the formulas that need it. `sampler`: as in
    `slt.replicate`. `free_energy`: whether to climb ladders too, tenths of a second for each data set.
    **Returns:** `Verification`, which prints as a table. Formulas with $\lambda$ are left out where it is not known
    exactly.
    **Raises:** `TypeError` for anything but a `Specimen`, `ValueError` for an unrealizable one, and whatever
    `slt.replicate` raises and warns of.
    **Source:** Watanabe (2018), sections 1.6, 6.3; Watanabe (2010); Watanabe (2013) for WBIC.

    >>> from slt import zoo
    >>> found = verify(jax.random.key(0), zoo.normal(), 30, datasets=25, betas=(1.0,))
    >>> all(abs(c.left - c.right) < 4 * c.se for c in found.claims if c.exact)
    True
    """
    if not isinstance(specimen, Specimen):
        raise TypeError(f"verify wants a Specimen, such as slt.zoo.tanh_unit(); got {type(specimen).__name__}.")
    if not specimen.realizable:
        raise ValueError(
            "the truth of this specimen does not lie in the model, and errors relative to the truth do not obey these "
            "formulas. Choose a realizable specimen, or measure errors relative to the best parameter."
        )
    options = {"datasets": datasets, "sampler": sampler, "free_energy": free_energy}
    claims: list[Claim] = []
    found = {
        float(b): replicate(jax.random.fold_in(key, i), specimen, n, beta=b, **options) for i, b in enumerate(betas)
    }
    known = specimen.coefficient if specimen.coefficient and specimen.coefficient.status == "exact" else None
    inputs = specimen.triple.inputs
    random = inputs is None or isinstance(inputs, Distribution)
    for beta, r in found.items():
        claims += _at_any_beta(r, known)
        if beta == 1:
            claims += _at_one(r, known)
    if 1.0 in found and random:
        fewer = replicate(jax.random.fold_in(key, len(betas)), specimen, n - 1, datasets=datasets, sampler=sampler)
        claims.insert(0, _leave_one_out(found[1.0], fewer))
    if free_energy and known is not None and random:
        for i, (beta, r) in enumerate(found.items()):
            more = replicate(jax.random.fold_in(key, len(betas) + 1 + i), specimen, 4 * n, beta=beta, **options)
            claims.append(_growth(r, more, known))
    return Verification(tuple(claims), found)


def _leave_one_out(r: Replicated, fewer: Replicated) -> Claim:
    cv, error = r.mean("cv_error"), fewer.mean("generalization_error")
    se = float(np.hypot(cv.se, error.se))
    return Claim("n(E[C_n] - S) = n(E[G_{n-1}] - S)", 1.0, r.n * cv.mean, r.n * error.mean, r.n * se, True)


def _growth(r: Replicated, more: Replicated, known: Any) -> Claim:
    few, many = r.mean("free_energy_excess"), more.mean("free_energy_excess")
    grown = float(np.log(more.n / r.n)), float(np.log(np.log(more.n) / np.log(r.n)))
    left, right = r.beta * (many.mean - few.mean), float(known.rlct) * grown[0] - (known.multiplicity - 1) * grown[1]
    se = r.beta * float(np.hypot(few.se, many.se))
    return Claim("beta(F - n S_n) from n to 4n = rlct log n - (m - 1) log log n", r.beta, left, right, se, False)


def _at_any_beta(r: Replicated, known: Any) -> list[Claim]:
    n, beta = r.n, r.beta
    bg, bt = n * np.asarray(r.generalization_error), n * np.asarray(r.training_error)
    gg, gt = n * np.asarray(r.gibbs_generalization_error), n * np.asarray(r.gibbs_training_error)
    nu = np.asarray(r.singular_fluctuation)
    claims = [
        _paired("n(Bg - Bt) = 2 beta n(Gt - Bt)", beta, bg - bt, 2 * beta * (gt - bt)),
        _paired("n(Gg - Gt) = 2 beta n(Gt - Bt)", beta, gg - gt, 2 * beta * (gt - bt)),
        _paired("n(Gg - Gt) = 2 nu", beta, gg - gt, 2 * nu),
    ]
    if known is not None:
        rlct = float(known.rlct)
        claims += [
            _paired("n(G - S) = (rlct - nu) / beta + nu", beta, bg, (rlct - nu) / beta + nu),
            _paired("n(T - S_n) = (rlct - nu) / beta - nu", beta, bt, (rlct - nu) / beta - nu),
            _paired("n(Gg + Gt) beta / 2 = rlct", beta, beta * (gg + gt) / 2, rlct),
        ]
    return claims


def _at_one(r: Replicated, known: Any) -> list[Claim]:
    n = r.n
    error, cv, waic = (n * np.asarray(a) for a in (r.generalization_error, r.cv_error, r.waic_error))
    claims = [_paired("n E[W] = n E[C]", 1.0, waic, cv), _paired("n(E[W] - S) = n(E[G] - S)", 1.0, waic, error)]
    log_n, excess = float(np.log(n)), np.asarray(r.free_energy_excess)
    if not np.isnan(excess).all():
        claims.append(_paired("WBIC / log n = F / log n", 1.0, np.asarray(r.wbic_excess) / log_n, excess / log_n))
    if known is not None:
        rlct = float(known.rlct)
        claims += [
            _paired("n(G - S) + n(C - S_n) = 2 rlct", 1.0, error + cv, 2 * rlct),
            _paired("(WBIC - n S_n) / log n = rlct", 1.0, np.asarray(r.wbic_excess) / log_n, rlct),
            _paired("beta^2 V[n L_n] = rlct at beta = 1 / log n", 1.0, np.asarray(r.rlct), rlct),
        ]
    return claims


def _paired(formula: str, beta: float, left: Any, right: Any) -> Claim:
    """Means over data sets, and the standard error of their difference from the same data sets."""
    left, right = np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float))
    apart: MeanSE = mean_se(left - right)
    return Claim(formula, beta, float(left.mean()), float(right.mean()), float(apart.se), False)
