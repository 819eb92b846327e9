"""Every call ends. Cut off after any number of steps, it gives the right pair, a true bound, or an error."""

import sys
import time
from contextlib import suppress
from fractions import Fraction
from threading import Thread

import pytest
import sympy
from sympy import sin, symbols

from slt.rlct import _budget, derive, learning_coefficient, newton, resolve, strata
from slt.rlct._budget import Spent, budget, spent

x, y, z = symbols("x y z", real=True)
F = Fraction

# Name: the call, and (λ, m) by the rules of test_rlct_stress or, of the derived one, of its docstring.
DOORS = {
    "blow-ups at a point": (lambda: learning_coefficient((y**2 - x**3) ** 2 + x**8, at=(0, 0)), F(5, 12), 1),
    "the whole plane": (lambda: learning_coefficient(((x - 1) ** 2 + y**4) * (x + y) ** 2), F(1, 2), 1),
    "a prior across": (lambda: learning_coefficient(((x - y) * z) ** 2, prior=(x + y) ** 2, at=(0, 0, 0)), F(1, 2), 2),
    "blocks": (lambda: learning_coefficient([x * y, z**3]), F(2, 3), 2),
    "polyhedron": (lambda: newton([x * y, x**3 + y**5]), F(1, 2), 2),
    "resolution": (lambda: resolve((y**2 - x**3) ** 2 * (x - y) ** 2), F(5, 16), 1),
    "derivation": (lambda: derive([y - x * sin(x), y - x**2]).learning_coefficient(), F(5, 8), 1),
}


def steps_of(call) -> int:
    with budget():
        call()
        return _budget.STEPS - _budget._left[_budget.get_ident()].steps


def cut(call, steps: int):
    """The result within so many steps, `None` if there was none but the error of the budget."""
    try:
        with budget(steps):
            return call()
    except Spent:
        return None
    except ValueError as error:
        if "did not end within" not in str(error):
            raise
        return None


@pytest.mark.parametrize("name", DOORS)
def test_cut_off_anywhere_the_pair_is_right_or_a_bound(name):
    # Kills: a face that counts as nondegenerate when the steps run out; the final bound called exact.
    call, lam, m = DOORS[name]
    whole = call()
    assert (whole.rlct, whole.multiplicity) == (lam, m)
    total, exact = steps_of(call), 0
    for steps in [*range(0, total, max(1, total // 60)), 2 * total]:
        found = cut(call, steps)
        if found is None:
            continue
        sure = found.exact if hasattr(found, "exact") else found.status == "exact"
        exact += sure
        assert (found.rlct, found.multiplicity) == (lam, m) if sure else found.rlct is None or found.rlct >= lam
    assert exact >= 1  # with all its steps


@pytest.mark.parametrize("K", [[x * y, y * z], (x**2 - y**2 * z) ** 2, ((y**2 - x**3) * (x - 1)) ** 2])
def test_strata_cut_off_say_so(K):
    # Kills: a stratum that is lost without a trace.
    call = lambda: strata(K)  # noqa: E731
    whole, total = call(), steps_of(lambda: strata(K))
    assert all(piece.exact for piece in whole)
    partial = 0
    for steps in range(0, total, max(1, total // 40)):
        found = cut(call, steps)
        if found is not None and found != whole:
            partial += 1
            assert not all(piece.exact for piece in found)
            known = {(p.equations, p.conditions, p.rlct, p.multiplicity) for p in whole}
            assert {(p.equations, p.conditions, p.rlct, p.multiplicity) for p in found if p.exact} <= known
    assert partial > 3


def test_what_takes_minutes_inside_one_call_to_the_algebra_is_cut_off():
    # A resultant over a number field, with coefficients of thousands of digits. Kills: steps that are counted only
    # between such calls (not back within minutes), a budget without seconds.
    a = -4 * x * y * z - 7 * x * y - 9 * x * z + 3 * y * z
    b = 7 * x**2 * y**2 * z**2 + 4 * x**2 * y**2 * z + 4 * x**2 * y * z**2 - x**2 * y * z - 3 * x**2 * y - 8 * x**2
    b += 6 * x**2 * z**2 - 5 * x**2 * z - 6 * x * y**2 * z**2 + 2 * x * y**2 * z - 5 * x * y**2 + 5 * x * y * z**2
    b += 9 * x * y * z + 3 * x * y + 4 * x * z**2 + 3 * x * z + 6 * y**2 * z**2 - y**2 * z - 9 * y**2 - 8 * y * z
    b += 9 * z**2
    start = time.thread_time()
    with budget(10**7, 2.0):
        found = learning_coefficient([a, b], at=(0, 0, 0))
        assert spent()
    assert found.status == "upper bound"
    assert found.rlct == F(3, 4)  # of the common zero's tangent cone: its Newton polyhedron
    assert time.thread_time() - start < 30


def test_what_is_never_multiplied_out_has_the_bound_of_its_order():
    # Kills: a prior's order left out (1/4), generators not squared (11/6), the order of a power without its exponent.
    K, at = (x - 1) ** 2 * ((x - 1) ** 3 + y**4) ** 2, {x: 1, y: 0}
    prior = sympy.Abs(y) ** 3 * sympy.sqrt(sympy.Abs(x - 1 + y))
    assert learning_coefficient(K, prior=prior, at=at).rlct <= F(11, 16)
    for kl, order in ((K, 8), ([(x - 1) * y**2, (x - 1) ** 3], 6), ([(x - 1) ** 4 * (y + 2)], 8)):
        cuts = (cut(lambda kl=kl: learning_coefficient(kl, prior=prior, at=at), steps) for steps in range(0, 400, 8))
        found = [c for c in cuts if c is not None and "order of K" in c.source]
        assert {(c.rlct, c.multiplicity, c.status) for c in found} == {(F(11, 2) / order, None, "upper bound")}
    for steps in range(0, 400, 8):  # its sign is not looked at by then; kills: a bound for a negative K
        with suppress(ValueError):  # with enough steps
            assert cut(lambda: learning_coefficient(-K, at=at), steps) is None


def test_waiting_is_not_working():
    # Kills: the wall clock in place of the processor's.
    with budget(10**9, 0.2):
        time.sleep(0.4)
        sympy.expand((x + y + 2) ** 3)
        assert not spent()
    with budget(10**9, 0.05), pytest.raises(Spent):
        _work()


def _work():
    for n in range(1000):
        sympy.expand((x + y + n) ** 12)


def test_other_threads_are_not_interrupted():
    # Kills: an exception raised in whatever thread starts a function.
    results: list = []
    with budget(0):
        thread = Thread(target=lambda: results.append(sympy.Poly((x + y + 3) ** 7, x, y).factor_list()))
        thread.start()
        thread.join()
        assert not spent()
    assert len(results) == 1


def test_an_inner_budget_is_part_of_the_outer_one():
    # Kills: a fresh budget for each call inside a call.
    with budget(10), pytest.raises(ValueError, match="did not end within"):
        learning_coefficient((y**2 - x**3) ** 2 + x**10, at=(0, 0))
    assert not spent()


def test_results_do_not_depend_on_a_second_call():
    call = DOORS["blow-ups at a point"][0]
    call()
    first = steps_of(call)
    assert abs(steps_of(call) - first) <= 0.05 * first  # SymPy's caches


def test_other_tools_may_hold_the_numbers(monkeypatch):
    # Nothing is counted then. Kills: an error from `use_tool_id`.
    monkeypatch.setattr(_budget, "_tools", [])
    monkeypatch.setattr(sys.monitoring, "get_tool", lambda _: "another")
    _budget._begin()
    assert _budget._tools == []
