r"""The tree that a resolution leaves behind: strata of exceptional divisors, each with its pair (floor 1).

The pair of a stratum is the least $\lambda$ over its parts, with the largest m among those that attain it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from slt.rlct._pair import Pair
from slt.rlct._toric import Toric, normal_crossing_pair, refuse_odd

COMPARABLE = "K lies between multiples of"  # how a node says that K was replaced by such a function


@dataclass(frozen=True)
class Node:
    """A point, line or plane of points over the centre.

    **Arguments:** `label`: the substitution, and the points that are looked at. `pair`: K and prior times Jacobian in
    the coordinates of the node, as powers. `rlct`: λ (`None` where K does not vanish), exact if `exact`, else an upper
    bound. `method`: what settled it, or why it is not settled. `children`: the parts it was cut into.
    `divisors`: (k, h + 1) of the divisors through the leaf.
    """

    label: str
    pair: Pair
    rlct: Fraction | None
    multiplicity: int | None
    exact: bool
    method: str
    children: tuple["Node", ...] = ()
    divisors: tuple[tuple[Fraction, Fraction], ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Node"]]:
        """All nodes, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def deciding(self) -> "Node":
        """The leaf that attains (λ, m)."""
        for child in self.children:
            if (child.rlct, child.multiplicity) == (self.rlct, self.multiplicity) or (
                not self.exact and child.rlct == self.rlct
            ):
                return child.deciding()
        return self

    def powers(self) -> str:
        """K and prior times Jacobian in the coordinates of the node, as products of powers."""
        bases = [*map(str, self.pair.ring.gens), *(f"({as_text(f.poly.as_expr())})" for f in self.pair.factors)]
        shown = []
        for key in ("k", "h"):
            numbers = (*getattr(self.pair, key), *(getattr(f, key) for f in self.pair.factors))
            parts = [b if p == 1 else f"{b}^{_exponent(p)}" for b, p in zip(bases, numbers, strict=True) if p]
            shown.append(" ".join(parts) or "1")
        return f"K∘g = {shown[0]};  φ∘g |g′| = {shown[1]}"

    def __repr__(self) -> str:
        lines = []
        for depth, node in self.walk():
            value = "K > 0" if node.rlct is None and node.exact else f"({node.rlct}, {node.multiplicity})"
            value = value if node.exact else f"<= {node.rlct}"
            lines.append("  " * depth + f"{node.label}: {value}; {node.method}; {node.powers()}")
        return "\n".join(lines)


def as_text(expression) -> str:
    """A polynomial as it is written in the tree."""
    return str(expression).replace("**", "^").replace("*", " ")


def _exponent(p) -> str:
    return str(p) if Fraction(p).denominator == 1 else f"({p})"


def combine(label: str, pair: Pair, method: str, children: list[Node], *, bound: Fraction | None = None) -> Node:
    """The node whose parts are the children; `bound` is an upper bound of λ known beforehand."""
    exact = all(c.exact for c in children)
    values = [c.rlct for c in children if c.rlct is not None]
    if not exact and bound is not None:
        values.append(bound)
    rlct = min(values, default=None)
    m = max((c.multiplicity or 0 for c in children if c.rlct == rlct), default=0) if exact and values else None
    return Node(label, pair, rlct, m, exact, method, tuple(children))


def crossing(label: str, pair: Pair, powers, method: str) -> Node:
    """A stratum where divisors with these (k, h) cross normally."""
    for k, _ in powers:
        refuse_odd(k, f"a divisor of {label}")
    divisors = tuple((k, h + 1) for k, h in powers)
    return Node(label, pair, *normal_crossing_pair(*zip(*powers, strict=True)), True, method, (), divisors)


def leaf(label: str, pair: Pair, verdict: Toric, method: str) -> Node:
    """A point that the polyhedron settles."""
    divisors = tuple((a, b) for _, a, b in verdict.divisors)
    divisors += tuple((f.k, f.h + 1) for f in pair.factors)
    return Node(label, pair, verdict.rlct, verdict.multiplicity, True, method, (), divisors)


def unsettled(label: str, pair: Pair, why: str, *, bound: Fraction | None = None) -> Node:
    """A stratum on which only a bound, or nothing, is known."""
    return Node(label, pair, bound, None, False, why)
