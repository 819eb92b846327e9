r"""The rules that turn generators into simpler ones with the same $\lambda$ and $m$ (floor 1).

**Solve.** $f = c\,v + r$ with $c(0) \ne 0$, both free of $v$: $u = f$ is a coordinate in place of $v$, with Jacobian
$1/c$, and $f_j - f_j|_{v = -r/c}$ is divisible by $u$, so $(f, f_j) = (u, f_j|_{v = -r/c})$.

**No cancellation.** If all terms $t_i$ of $f$ have one sign, $f^2 \le k \sum t_i^2 \le k f^2$. A further term is small
against them if it is less than a vanishing factor times $|s t|^{1/2} \le \frac12 (|s| + |t|)$ for two of them.

**Domination.** What is at most a constant times the sum of the $|f_i|$ of other generators may be left out.
"""

from itertools import combinations_with_replacement
from typing import Any

import sympy

from slt.rlct._analytic import UNITS, State, at_zero, vanishes, without_units
from slt.rlct._derivation import Derivation
from slt.rlct._taylor import comparable, truncate

SOLVED = "u = (this equation) is an analytic coordinate; the others change by multiples of u"
SIGN = "terms of one sign cannot cancel, and the rest is smaller by a vanishing factor"
LEFT = "a constant times the others bounds it"
NEW = "v -> {} has a nonzero derivative: an analytic change of coordinates"
HALF = "w = s^2 maps s onto the range w >= 0 twice; the Jacobian 2|s| joins the prior"
SQUARES = "a positive factor is a unit, a positive constant times a square a generator's square"


def reduce(state: State) -> Derivation:
    """Apply the rules until nothing changes; then Taylor polynomials; then the rules again."""
    state = _squares(state)
    state = _rules(state)
    while not state.polynomial:
        state = _rules(truncate(state) if state.squares else comparable(state))
    state = _half_lines(state)
    return Derivation(state.generators, state.prior, state.steps, state.squares)


def _rules(state: State) -> State:
    while True:
        before, state = state, _coordinates(state)
        state = state.to(
            "units are left out", _unique(without_units(f, not state.squares) for f in state.generators), UNITS
        )
        if state.squares:
            state = _same_sign(_dominated(_solve(state)))
        if state == before:
            return state


def _unique(generators) -> list:
    return list(dict.fromkeys(generators))


def _squares(state: State) -> State:
    """K as a sum of squares, if it is written so."""
    if state.squares:
        return state
    roots = []
    for term in sympy.Add.make_args(state.generators[0]):
        root = sympy.Integer(1)
        for factor in sympy.Mul.make_args(term):
            if not vanishes(factor):
                if not at_zero(factor).is_positive:
                    return state
                continue
            base, n = factor.as_base_exp()
            if not (n.is_Integer and n > 0 and n % 2 == 0):
                return state
            root *= base ** (n // 2)
        roots.append(root)
    return state.to("K is a sum of squares", roots, SQUARES, squares=True)


def _solve(state: State) -> State:
    """One equation solved, or the same state."""
    taken = state.prior.free_symbols
    for f in state.generators:
        for v in sorted(f.free_symbols - taken, key=sympy.default_sort_key):
            others = [g for g in state.generators if g != f]
            if v.is_nonnegative or (f == v and not any(v in g.free_symbols for g in others)):
                continue
            c = sympy.expand(f).diff(v)
            if v in c.free_symbols or vanishes(c):
                continue
            value = -sympy.expand(f).subs(v, 0) / c
            left = [g for g in (_clear(g.subs(v, value)) for g in others) if g != 0]
            return state.to(f"solve for {v}", [v, *left], f"{SOLVED}, which is called {v} again")
    return state


def _clear(f):
    """f without a denominator, which is a unit where f is analytic."""
    top, bottom = sympy.fraction(sympy.together(f))
    f = top if not vanishes(bottom) else f
    return sympy.expand(f) if f.is_polynomial() else sympy.simplify(f)


def _terms(f, symbols):
    return sympy.Poly(f, *symbols).terms()


def _monomials(generators, symbols) -> list[tuple[int, ...]]:
    """Exponents of the generators that are single terms."""
    polys = [_terms(f, symbols) for f in generators if f.is_polynomial(*symbols)]
    return [terms[0][0] for terms in polys if len(terms) == 1]


def _below(e, monomials, *, strictly: bool) -> bool:
    r"""Whether $|w^e|$ is at most $|w^{a} w^{b}|^{1/2}$ (times a vanishing factor) for two of the monomials."""
    for a, b in combinations_with_replacement(monomials, 2):
        gaps = [2 * x - y - z for x, y, z in zip(e, a, b, strict=True)]
        if min(gaps) >= 0 and (max(gaps) > 0 or not strictly):
            return True
    return False


def _dominated(state: State) -> State:
    """Without generators that others bound: by their monomials, or as polynomial multiples of them."""
    symbols, kept = state.symbols, list(state.generators)
    for f in sorted(state.generators, key=sympy.count_ops, reverse=True):
        others = [g for g in kept if g != f and g.is_polynomial(*symbols)]
        if not others or not f.is_polynomial(*symbols):
            continue
        monomials = _monomials(others, symbols)
        bounded = all(_below(e, monomials, strictly=False) for e, _ in _terms(f, symbols))
        if bounded or sympy.reduced(f, others, *symbols)[1] == 0:
            kept.remove(f)
    return state.to("dominated generators are left out", kept, LEFT)


def _same_sign(state: State) -> State:
    """A generator whose leading terms have one sign, replaced by these terms."""
    symbols, out = state.symbols, []
    for f in state.generators:
        parts = [f]
        if f.is_polynomial(*symbols) and len(_terms(f, symbols)) > 1:
            for sign in (1, -1):
                terms = _terms(f, symbols)
                even = [e for e, c in terms if (sign * c).is_positive and _definite(e, symbols)]
                if even and all(e in even or _below(e, even, strictly=True) for e, _ in terms):
                    parts = [sympy.Mul(*(v**n for v, n in zip(symbols, e, strict=True))) for e in even]
                    break
        out += parts
    return state.to("terms of one sign", _unique(out), SIGN)


def _definite(e, symbols) -> bool:
    return all(n % 2 == 0 or v.is_nonnegative for v, n in zip(symbols, e, strict=True))


def _coordinates(state: State) -> State:
    """A symbol v that occurs only as φ(v), with φ'(0) not zero, gives way to φ(v) - φ(0)."""
    if state.polynomial:
        return state
    atoms = sympy.Tuple(*state.generators).atoms(sympy.Function)
    for v in state.symbols:
        if v.is_nonnegative:
            continue
        for phi in sorted((g for g in atoms if g.free_symbols == {v}), key=str):
            new = v + at_zero(phi)
            after = [_replaced(f, phi, new) for f in state.generators]
            prior: list = [_replaced(f, phi, new, v) for f in sympy.Mul.make_args(state.prior)]
            if None in (*after, *prior) or vanishes(phi.diff(v)):
                continue
            return state.to(f"{phi - at_zero(phi)} as coordinate {v}", after, NEW.format(phi), prior=sympy.Mul(*prior))
    return state


def _replaced(f, phi, new, power=None):
    """f with `new` for phi; `None` if its symbol occurs in another way, but in powers of `power`, a unit apart."""
    hidden = sympy.Dummy(real=True)
    after: Any = f.subs(phi, hidden)
    if after.free_symbols & phi.free_symbols and f.as_base_exp()[0] not in (power, sympy.Abs(power or 0)):
        return None
    return after.subs(hidden, new)


def _half_lines(state: State) -> State:
    """Nonnegative symbols, where the generators are not symmetric in them."""
    symbols = state.symbols
    signed = [v for v in symbols if v.is_nonnegative]
    if not signed or (state.squares and len(_monomials(state.generators, symbols)) == len(state.generators)):
        return state
    square = {v: sympy.Symbol(v.name, real=True) ** 2 for v in signed}
    prior = state.prior.subs(square) * sympy.Mul(*(sympy.Abs(s.as_base_exp()[0]) for s in square.values()))
    after = [f.subs(square) for f in state.generators]
    return _rules(state.to("half-lines", after, HALF, prior=prior))
