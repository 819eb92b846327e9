"""What the user writes, checked and turned into ring elements at the origin (floor 1)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import sympy
from sympy.polys.polyerrors import CoercionFailed, PolynomialError
from sympy.polys.polytools import parallel_poly_from_expr
from sympy.polys.rings import PolyRing, ring

from slt.rlct._budget import Spent
from slt.rlct._pair import Pair, from_powers
from slt.rlct._polyhedron import Polyhedron, minimal
from slt.rlct._prior import irreducible, refuse_divergent
from slt.rlct._reals import sign
from slt.rlct._types import Polynomial

MOST_VERTICES = 60
CONTINUOUS = {sympy.Abs, sympy.exp, sympy.sin, sympy.cos, sympy.tanh, sympy.atan}  # on the whole line


@dataclass(frozen=True)
class Problem:
    """K and prior as ring elements, with the point moved to the origin.

    `prior` holds powers of irreducible factors. `generators` is set for K = sum of squares.
    """

    variables: tuple[sympy.Symbol, ...]
    ring: PolyRing
    kl: Polynomial
    prior: tuple[tuple[Polynomial, Fraction], ...]
    point: tuple[Any, ...]
    generators: tuple[Polynomial, ...] | None = None

    def pair(self) -> Pair:
        """Products of powers of squarefree, coprime polynomials, units included."""
        return self._pair

    @cached_property
    def _pair(self) -> Pair:
        easy = self.ring.ngens <= 4 or len(self.kl) <= 60
        powers = [(p, Fraction(e), Fraction(0)) for p, e in self.kl.factor_list()[1]] if easy else []
        return self._with_prior(powers) if powers else self.unfactored()

    def any_pair(self) -> Pair:
        """The pair, with K as one factor if it is too much work to factor it."""
        try:
            return self.pair()
        except Spent:
            return self.unfactored()

    def unfactored(self) -> Pair:
        """The pair with K as one factor: enough for bounds."""
        return self._with_prior([(self.kl, Fraction(1), Fraction(0))])

    def _with_prior(self, powers) -> Pair:
        return from_powers(self.ring, powers + [(p, Fraction(0), h) for p, h in self.prior])


def expression(name: str, value: Any) -> Any:
    """What the user wrote as a SymPy expression, a float as its decimal; a clear error for anything else."""
    found = None
    with suppress(sympy.SympifyError, TypeError, AttributeError):
        found = sympy.sympify(value)
    if not isinstance(found, sympy.Expr) or found.is_Matrix:
        raise ValueError(
            f"{name} must be a SymPy expression; got {value!r} of type {type(value).__name__}. Write it in symbols, "
            'as in x, y = sympy.symbols("x y"); several residuals go into a list.'
        )
    return sympy.nsimplify(found, rational=True)


def parse(K: Any, prior: Any, at: Any, *, zero: bool = True) -> Problem:
    """Check and convert; `at` is a point (mapping or sequence) or `None` for the origin; `zero`: K is 0 there."""
    generators = None
    if isinstance(K, Sequence) and not isinstance(K, str):
        generators = tuple(expression("each entry of K", f) for f in K)
        if not generators:
            raise ValueError("K is an empty list; pass the generators f_i of K = sum of f_i**2.")
        K = sympy.Add(*(f**2 for f in generators))
    K = expression("K", K)
    bases, powers = prior_powers(expression("prior", prior))
    symbols = K.free_symbols.union(*(b.free_symbols for b in bases)) if bases else K.free_symbols
    variables: Any = tuple(sorted(symbols, key=sympy.default_sort_key))
    if not K.free_symbols:
        raise ValueError(
            f"K must depend on parameters and vanish somewhere; got the constant {K}. Write K in symbols, less its "
            "minimum; where the model is the truth whatever the parameters are, there is nothing to learn."
        )
    point = point_of(at, variables)
    named = [K, *(generators or ()), *bases, *point]
    polys, domain = _polynomials(named, variables)
    small = ring(variables, domain)[0]
    elements = [small.from_dict(dict(p.rep.to_dict())) for p in polys[: len(named) - len(variables)]]
    origin = (0,) * len(variables)
    shifts = [
        (g, g + small.ground_new(dict(p.rep.to_dict()).get(origin, domain.zero)))
        for g, p in zip(small.gens, polys[len(named) - len(variables) :], strict=True)
    ]
    elements = [p.compose(shifts) if any(g != q for g, q in shifts) else p for p in elements]
    kl = elements[0]
    if not kl:
        raise ValueError(
            "K is identically zero: every parameter is true, and λ is not defined. Check the sign and the truth in K."
        )
    if kl.coeff(1) and zero:
        where = ", ".join(f"{v} = {p}" for v, p in zip(variables, point, strict=True))
        raise ValueError(
            f"K must vanish at the point; at {where} it is {domain.to_sympy(kl.coeff(1))}. Pass at= a zero of K."
        )
    count = len(generators) if generators else 0
    factored = irreducible(zip(elements[1 + count :], powers, strict=True))
    refuse_divergent(factored, local=zero)
    if not kl.coeff(1):
        _refuse_negative(kl, where="the point")
    return Problem(
        variables,
        small,
        kl,
        factored,
        point,
        tuple(elements[1 : 1 + count]) if generators else None,
    )


def _polynomials(named, variables):
    polys: Any = None
    options: Any = None
    with suppress(PolynomialError, CoercionFailed):
        polys, options = parallel_poly_from_expr(named, *variables, extension=True)
    if polys is None:
        for expr in named:
            if not expr.is_polynomial(*variables):
                raise ValueError(
                    f"K and the prior's factors must be polynomials in {', '.join(map(str, variables))}; got {expr}. "
                    "Exponents are whole numbers, written as numbers. For an analytic K use derive or "
                    "learning_coefficient, which put comparable polynomials in its place; a factor of the prior that "
                    "is positive at the zeros of K may be left out."
                )
        raise ValueError(f"K is not a polynomial with exact real coefficients: {named[0]}.")
    domain: Any = options.domain
    domain = sympy.QQ if domain.is_ZZ or domain.is_QQ else domain
    if not (domain.is_QQ or (domain.is_Algebraic and domain.ext.is_real)):
        raise ValueError(
            f"coefficients and the point must be rational or real algebraic numbers; got the domain {domain}. "
            "A symbolic parameter must be given a value; a transcendental factor such as pi may be left out."
        )
    return [p.set_domain(domain) for p in polys], domain


def point_of(at, variables) -> tuple:
    if at is None:
        return (sympy.Integer(0),) * len(variables)
    if isinstance(at, Mapping):
        given = {str(name): value for name, value in at.items()}
        unknown = set(given) - {str(v) for v in variables}
        missing = [v for v in variables if str(v) not in given]
        if unknown or missing:
            raise ValueError(
                f"at must give a value to each of {', '.join(map(str, variables))}; "
                f"missing: {missing}, unknown: {sorted(unknown)}."
            )
        values = [given[str(v)] for v in variables]
    else:
        if isinstance(at, str) or not hasattr(at, "__iter__"):
            raise ValueError(
                f"at must be a point, as {tuple(0 for _ in variables)} in the order "
                f"{', '.join(map(str, variables))} or as a dictionary {{symbol: value}}; got {at!r}."
            )
        values = list(at)
        if len(values) != len(variables):
            raise ValueError(
                f"at must have {len(variables)} coordinates, in the order {', '.join(map(str, variables))}; "
                f"got {len(values)}. A dictionary {{symbol: value}} needs no order."
            )
    out = tuple(expression("each coordinate of at", v) for v in values)
    for v, value in zip(variables, out, strict=True):
        if not (value.is_number and value.is_real and value.is_finite):
            raise ValueError(f"at must be a real point; got {v} = {value}.")
    return out


def prior_powers(prior) -> tuple[list, list[Fraction]]:
    """A prior as a product of powers of polynomials; positive constants and exponentials are units and left out."""
    bases, powers = [], []
    for factor in sympy.Mul.make_args(prior):
        if isinstance(factor, sympy.exp):
            _refuse_poles(factor)
            continue
        base, power = factor.as_base_exp()
        base = base.args[0] if isinstance(base, sympy.Abs) else base
        if not power.is_Rational:
            raise ValueError(
                f"an exponent of the prior must be a rational number; got {power} in {factor}. Write it as a number."
            )
        if base.is_number:
            if factor.is_zero:
                raise ValueError("the prior is identically zero; it must be positive somewhere. A flat one is prior=1.")
            if not factor.is_positive:
                raise ValueError(f"the prior must be nonnegative; got the factor {factor}.")
            continue
        bases.append(base)
        powers.append(Fraction(str(power)))
    return bases, powers


def _refuse_poles(factor) -> None:
    """An exponential is a unit where its exponent is continuous; exp(-1/w**2) is none."""
    part: Any
    for part in sympy.preorder_traversal(factor.args[0]):
        power = part.is_Pow and part.exp.is_Integer and part.exp > 0
        simple = part.is_Symbol or part.is_number or part.is_Add or part.is_Mul
        if not (power or simple or part.func in CONTINUOUS):
            raise ValueError(
                f"the exponential factor {factor} of the prior is not known to lie between positive constants near "
                f"the zeros of K, because of {part}. Leave it out if it does."
            )


def _refuse_negative(kl: Polynomial, *, where: str) -> None:
    """The term of a vertex of the Newton polyhedron dominates K in some region; it must be even and positive."""
    points = minimal(kl)
    if len(points) > MOST_VERTICES or kl.ring.ngens > 6:
        return
    for e in Polyhedron(points).vertices:
        if any(a % 2 for a in e) or sign(kl[e], kl.ring.domain) < 0:
            term = kl.ring.from_dict({e: kl[e]}).as_expr()
            raise ValueError(
                f"K must be nonnegative, but near {where} its term {term} makes it negative (K is a Kullback-Leibler "
                "divergence, not a residual: square it, or pass a list of residuals for the sum of their squares). "
                "Every symbol is a parameter: write constants as numbers."
            )
