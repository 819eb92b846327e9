r"""The Newton polyhedron of K: a bound of $\lambda$ always, exact where K is nondegenerate (floor 1)."""

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from slt.rlct._budget import Spent, limited, spent
from slt.rlct._faces import evidently_positive, initial_form, inspect_face
from slt.rlct._lp import Optimum, solve
from slt.rlct._pair import Pair
from slt.rlct._parse import Problem, parse
from slt.rlct._polyhedron import Polyhedron, Vector, dot, minimal
from slt.rlct._record import LearningCoefficient
from slt.rlct._toric import MOST_FACES, Toric, toric
from slt.rlct._types import Polynomial

MOST_DIMENSIONS, MOST_POINTS = 6, 60
SOURCE = "Newton polyhedron (Watanabe 2009, section 4; Arnold, Gusein-Zade and Varchenko 1988)"


@dataclass(frozen=True)
class NewtonCertificate:
    r"""What proves the value of the polyhedron, for a check by hand, and where the coefficients matter.

    $$\langle u, e\rangle \ge 1 \ \forall e, \quad \sum_e y_e e \le h + 1, \quad
    \langle h + 1, u\rangle = \sum_e y_e = \lambda$$

    **Arguments:** `variables`: their order. `optimum`: u (`weights`) and y (`multipliers`), strictly complementary.
    `rlct`, `multiplicity`: of the polyhedron, for K. `nondegenerate`: whether K is positive on the real torus on each
    compact face, or its factors are really nondegenerate there (`None`: not decided). `strict_transforms`: the value
    $(h_i + 1)/k_i$ of a factor of K that vanishes on the torus, if it changes $\lambda$ or m; else empty.
    **Source:** derived in `slt.rlct._lp` and `slt.rlct._toric`.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> newton(x**2 + y**4).certificate.check()
    True
    """

    variables: tuple[Any, ...]
    optimum: Optimum | None
    rlct: Fraction
    multiplicity: int | None
    nondegenerate: bool | None
    strict_transforms: tuple[Fraction, ...] = ()

    @property
    def ideal_rlct(self) -> Fraction:
        """The same in the convention of ideals: λ of the f_i, twice λ of the sum of their squares."""
        return 2 * self.rlct

    @property
    def deciding_face(self) -> tuple[Vector, ...]:
        """Exponents of K that span the face which the ray through h + 1 meets (with directions where u is 0)."""
        return self.optimum.face if self.optimum else ()

    def polyhedron(self) -> Polyhedron:
        """Vertices, facet normals and offsets, for a picture."""
        if self.optimum is None:
            raise ValueError("there is no certified optimum, so no polyhedron is kept.")
        return Polyhedron(self.optimum.exponents)

    def check(self) -> bool:
        """Repeat the exact check of u and y."""
        return self.optimum is not None and self.optimum.check() and self.optimum.value == self.rlct


@limited
def newton(K, *, prior=1, at=None) -> LearningCoefficient:
    r"""$\lambda$ and m of K at a point from its Newton polyhedron, certified by linear programming.

    $$\lambda \le \min_{u \ge 0} \Big\{ \sum_j u_j (h_j + 1) : \langle u, e\rangle \ge 1 \ \forall e \in K \Big\}$$

    Equality, with m the codimension of the face that the ray through $h + 1$ meets, holds if K is positive on the real
    torus on every compact face. For $K = \prod f_i^{k_i}$ with factors that vanish there, but smoothly and
    transversally (real Kouchnirenko nondegeneracy), the values $1/k_i$ of the factors join the minimum. That $f$ is
    nondegenerate is not enough for the polyhedron alone to be right about $f^2$.

    **Arguments:** `K`: a polynomial (SymPy), nonnegative near the point, or a list of generators $f_i$ for
    $K = \sum f_i^2$. `prior`: a positive constant times powers $|w_j|^{h_j}$, as `x**2` or `Abs(x)**Rational(1, 2)`;
    factors without a zero at the point are left out. `at`: the point, as a dictionary or in the order of the names;
    the origin by default.
    **Returns:** `LearningCoefficient` of K (an ideal's is twice it: `certificate.ideal_rlct`), `"exact"` if the
    condition was proved and `"upper bound"` otherwise; `certificate` is a `NewtonCertificate`.
    **Raises:** `ValueError` if K is no polynomial, negative nearby, constant or not zero at the point, if the prior has
    a factor through the point that is no coordinate, or if K is not even in a symbol that is declared nonnegative.
    **Source:** Watanabe (2009), section 4; Varchenko (1976); the condition for powers is proved in `slt.rlct._toric`.

    >>> from sympy import symbols
    >>> x, y = symbols("x y")
    >>> newton(x**2 * y**2)
    LearningCoefficient(rlct=1/2, multiplicity=2, exact; Newton polyhedron)
    >>> newton([x * y, x**3], prior=x**2)
    LearningCoefficient(rlct=5/6, multiplicity=1, exact; Newton polyhedron)
    >>> newton((y - x**2) ** 2 + x**6).status  # degenerate: y - x**2 is a better coordinate
    'upper bound'
    """
    problem = parse(K, prior, at)
    refuse_half_lines(problem, "newton")
    pair = problem.any_pair().at_origin()
    if any(f.h for f in pair.factors):
        raise ValueError(
            "newton needs a prior made of powers of the coordinates (at the point); learning_coefficient blows up "
            "for other priors."
        )
    found = newton_value(problem, pair)
    if found.status == "exact":
        return found
    return replace(found, source=f"{found.source}, not proved nondegenerate; learning_coefficient also blows up")


def refuse_half_lines(problem: Problem, who: str) -> None:
    """An error for a symbol of one sign in which K is not even: the other half of the line would change the pair."""
    for j, v in enumerate(problem.variables):
        if (v.is_nonnegative or v.is_nonpositive) and problem.point[j] == 0 and any(e[j] % 2 for e in problem.kl):
            raise ValueError(
                f"{who} lets every symbol have both signs, and K is not even in {v}, which is declared to have one. "
                f"Use learning_coefficient, or declare {v} real=True if it is free."
            )


def newton_value(problem: Problem, pair: Pair, verdict: Toric | None = None) -> LearningCoefficient:
    """The answer of the polyhedron for a parsed problem with monomial prior."""
    costs = tuple(h + 1 for h in pair.h)
    exponents = tuple(minimal(problem.kl))
    optimum = solve(exponents, costs)
    if optimum is None:  # rounding failed: any weight bounds λ, so take the best coordinate weight
        ones = (1,) * len(costs)
        bound = Fraction(sum(costs)) / min(dot(ones, e) for e in exponents)
        certificate = NewtonCertificate(problem.variables, None, bound, None, None)
        return LearningCoefficient(bound, None, "upper bound", "weights 1, ..., 1", certificate)
    evident = False
    with suppress(Spent):
        evident = _evidently_nondegenerate(problem)
    if evident:
        certificate = NewtonCertificate(problem.variables, optimum, optimum.value, optimum.multiplicity, True)
        return LearningCoefficient(optimum.value, optimum.multiplicity, "exact", "Newton polyhedron", certificate)
    if verdict is None and len(costs) <= MOST_DIMENSIONS and len(exponents) <= MOST_POINTS and not spent():
        with suppress(Spent):
            verdict = toric(pair)
    nondegenerate = verdict.nondegenerate if verdict else None
    found = (verdict.rlct, verdict.multiplicity) if verdict and nondegenerate else (None, None)
    differs = found[0] is not None and found != (optimum.value, optimum.multiplicity)
    certificate = NewtonCertificate(
        problem.variables,
        optimum,
        optimum.value,
        optimum.multiplicity,
        nondegenerate,
        (found[0],) if found[0] is not None and differs else (),
    )
    if found[0] is not None:
        where = "Newton polyhedron and smooth factors" if differs else "Newton polyhedron"
        return LearningCoefficient(found[0], found[1], "exact", where, certificate)
    return LearningCoefficient(optimum.value, None, "upper bound", "Newton polyhedron", certificate)


def _evidently_nondegenerate(problem: Problem) -> bool:
    """Sufficient signs, in any dimension: even exponents and positive terms, or a monomial generator on each face."""
    if evidently_positive(problem.kl):
        return True
    generators = problem.generators
    if generators is None:
        return False
    generators = [g for g in generators if g]
    if all(len(g) == 1 for g in generators):
        return True
    points = minimal(e for g in generators for e in g)
    if len(points[0]) > MOST_DIMENSIONS or len(points) > MOST_POINTS:
        return False
    faces = Polyhedron(points).compact_faces
    return len(faces) <= MOST_FACES and all(_zero_free(generators, face) for face in faces)


def _zero_free(generators: list[Polynomial], face) -> bool:
    least = min(dot(face.weight, e) for g in generators for e in g)
    forms = [initial_form(g, face.weight) for g in generators]
    live = [g for g in forms if dot(face.weight, next(iter(g))) == least]
    if any(evidently_positive(g) for g in live):
        return True
    total = sum((g**2 for g in live[1:]), live[0] ** 2)
    report = inspect_face([total], face)
    return bool(report.nondegenerate) and not report.zeros
