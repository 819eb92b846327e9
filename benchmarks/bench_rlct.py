"""Newton polyhedra of 200 random ideals in four variables with up to twelve monomials: exact or bound, and seconds."""

import random
import statistics
import time
from importlib.metadata import version

from sympy import Mul, symbols

from slt.rlct import newton

IDEALS, VARIABLES, MONOMIALS, LARGEST, REPEATS = 200, 4, 12, 6, 3


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
    seconds, answers = [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answers = [newton(ideal) for ideal in ideals]
        seconds.append(time.perf_counter() - start)
    exact = sum(a.status == "exact" and a.certificate.check() for a in answers)
    print(f"slt-textbook {version('slt-textbook')}, sympy {version('sympy')}, scipy {version('scipy')}")
    print(f"{exact} of {IDEALS} exact with a certificate that checks; median {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
