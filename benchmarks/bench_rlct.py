"""Newton polyhedra of random ideals in four variables with up to twelve monomials: exact or bound, and seconds."""

import random

from sympy import Mul, symbols

from benchmarks.table import quick, race, report
from slt.rlct import newton

IDEALS, VARIABLES, MONOMIALS, LARGEST = 40 if quick() else 200, 4, 12, 6


def random_ideal(rng, variables):
    """Between two and twelve monomials; each exponent up to six, half of them zero."""
    exponents = [
        [rng.randint(1, LARGEST) * rng.randint(0, 1) for _ in variables] for _ in range(rng.randint(2, MONOMIALS))
    ]
    monomials = [Mul(*(v**e for v, e in zip(variables, row, strict=True))) for row in exponents]
    return [p for p in monomials if not p.is_number] or [variables[0]]


def main():
    rng = random.Random(1)
    ideals = [random_ideal(rng, symbols(f"w1:{VARIABLES + 1}")) for _ in range(IDEALS)]
    answers = []

    def ours():
        answers[:] = [newton(ideal) for ideal in ideals]

    task = f"exact (λ, m): {IDEALS} monomial ideals, {VARIABLES} variables, up to {MONOMIALS} monomials"
    rows = race(task, {"slt.rlct.newton": ours}, work={"slt.rlct.newton": IDEALS}, unit="ideal")
    exact = sum(a.status == "exact" and a.certificate.check() for a in answers)
    report(r._replace(note=f"{exact} exact with a certificate that checks") for r in rows)


if __name__ == "__main__":
    main()
