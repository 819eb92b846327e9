"""What every function of the zoo returns: a triple with its learning coefficient and the reason for it (floor 4)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy
from numpyro.distributions import biject_to

from slt.rlct import Derivation, LearningCoefficient, Step, derive
from slt.triple import Triple
from slt.zoo._equations import Equations

REGULAR = "Watanabe (2018), chapter 4"


@dataclass(frozen=True, repr=False)
class Specimen:
    r"""A triple, its exact learning coefficient where one is known, and the source.

    $$F_n = n L_n(w_0) + \lambda \log n - (m - 1) \log \log n + O_p(1)$$

    **Arguments:** `triple`: truth, model and prior; `triple.conditional` says whether it is about $q(y|x)$.
    `coefficient`: `slt.rlct.LearningCoefficient`, whose `status` may be a bound; `None` where $\lambda$ is unknown.
    `source`: of the coefficient, or why it is unknown. `note`: what the value depends on. `realizable`: whether the
    truth lies in the model; if not, $\lambda$ is that of $K(w) = L(w) - L(w_0)$. `optimum`: one minimizer $w_0$ of
    $L$, by name, a true parameter if `realizable`; `None` without a closed form. `data`: the real data, `None` if none.
    `equations`: makes the symbolic form of K that `derive` starts from, `None` where there is none.
    **Source:** Watanabe (2018), sections 3.1 and 6.3.

    >>> from slt import zoo
    >>> zoo.tanh_unit()
    Specimen(2 parameters: a, b; conditional, realizable; rlct=1/2, multiplicity=2, exact)
    """

    triple: Triple
    coefficient: LearningCoefficient | None
    source: str
    note: str = ""
    realizable: bool = True
    optimum: Mapping[str, Any] | None = None
    data: tuple[Any, ...] | None = None
    equations: Callable[[], Equations] | None = None

    @property
    def dimension(self) -> int:
        """The number of real parameters $d$; a point of the simplex of K categories counts as K - 1."""
        priors = self.triple.prior.values()
        return sum(math.prod(biject_to(p.support).inverse_shape(p.batch_shape + p.event_shape)) for p in priors)

    def derive(self) -> Derivation:
        r"""Polynomial generators of an ideal equivalent to K at a true parameter, and the steps that led to them.

        Its `learning_coefficient()` is found without `coefficient`, from the model alone. It is the pair of one true
        parameter, chosen to be the most singular one that is known; the least over all is `coefficient`.

        >>> from slt import zoo
        >>> zoo.tanh_unit().derive().learning_coefficient().rlct
        Fraction(1, 2)
        """
        if self.equations is None:
            raise ValueError("this specimen has no equations. Write generators of K and pass them to slt.rlct.derive.")
        given = self.equations()
        found = derive(given.generators, prior=given.prior, at=given.at)
        generators = given.generators if isinstance(given.generators, list) else [given.generators]
        first = Step("equations of the model", (sympy.Symbol("K"),), tuple(generators), given.why)
        return replace(found, steps=(first, *found.steps))

    def __repr__(self) -> str:
        c, d = self.coefficient, self.dimension
        value = "rlct unknown" if c is None else f"rlct={c.rlct}, multiplicity={c.multiplicity}, {c.status}"
        about = "conditional, " * self.triple.conditional + ("realizable" if self.realizable else "unrealizable")
        return f"Specimen({d} parameter{'s' * (d > 1)}: {', '.join(self.triple.prior)}; {about}; {value})"


def known(triple: Triple, coefficient: LearningCoefficient, **about: Any) -> Specimen:
    """A specimen whose source is that of its coefficient."""
    return Specimen(triple, coefficient, coefficient.source, **about)


def regular(triple: Triple, reason: str, **about: Any) -> Specimen:
    """A specimen with a unique optimum and a positive definite Hessian there: λ = d/2, m = 1."""
    d = Specimen(triple, None, "").dimension
    return known(triple, LearningCoefficient(Fraction(d, 2), 1, "exact", f"regular, {reason}; {REGULAR}"), **about)


def unknown(triple: Triple, why: str, **about: Any) -> Specimen:
    """A specimen without a known coefficient."""
    return Specimen(triple, None, f"unknown: {why}", **about)
