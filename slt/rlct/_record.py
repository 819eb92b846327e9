"""What every method of this package returns: a learning coefficient, how sure it is, and why (floor 1)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Status = Literal["exact", "upper bound", "lower bound"]


@dataclass(frozen=True)
class LearningCoefficient:
    r"""A real log canonical threshold $\lambda$ with its multiplicity $m$.

    $$\int_{K(w) < \epsilon} \varphi(w)\,dw \sim c\, \epsilon^{\lambda} (-\log \epsilon)^{m-1} \qquad (\epsilon \to 0)$$

    **Arguments:** `rlct`: $\lambda$, an exact rational. `multiplicity`: $m$, or `None` where only a bound of
    $\lambda$ is known. `status`: `"exact"`, `"upper bound"` or `"lower bound"` (of $\lambda$). `source`: the theorem
    or the method that answered, with its citation. `certificate`: what a sceptic checks by hand, or `None`.
    **Source:** Watanabe (2009), chapter 4.

    >>> LearningCoefficient(Fraction(1, 2), 2, "exact", "normal crossing")
    LearningCoefficient(rlct=1/2, multiplicity=2, exact; normal crossing)
    """

    rlct: Fraction
    multiplicity: int | None
    status: Status
    source: str
    certificate: Any = None

    def __repr__(self) -> str:
        return f"LearningCoefficient(rlct={self.rlct}, multiplicity={self.multiplicity}, {self.status}; {self.source})"
