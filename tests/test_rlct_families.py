"""Products of matrices: each family against a derivation that shares nothing with it, over all small sizes."""

from fractions import Fraction
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
import sympy

from slt import rlct
from slt.rlct._deep_linear import deep_linear
from slt.rlct._reduced_rank import reduced_rank, reduced_rank_strata


def pair(found):
    assert found.status == "exact"
    assert isinstance(found.rlct, Fraction)
    return found.rlct, found.multiplicity


def longest_chain(points):
    """Number of elements of the longest chain of integer vectors in the componentwise order."""
    longest = {}
    for p in sorted(points, key=sum):
        below = [longest[q] for q in longest if q != p and all(x <= y for x, y in zip(q, p, strict=True))]
        longest[p] = 1 + max(below, default=0)
    return max(longest.values())


def padic(widths, rank):
    """(lambda, m) of ||W_L ... W_1 - C||^2 from the p-adic volume of the set where the product vanishes modulo p^k.

    Reduce to truth zero (the Schur complement takes r from every width). The rows of W_1 are random elements of
    (Z/p^k)^{H_1}; those of each further product are H_{s+1} random elements of the module that the rows before span.
    A group of type mu has about p^{sum nu'_i (mu'_i - nu'_i)} subgroups of type nu (Birkhoff's formula), each holds
    one random element with probability p^{|nu| - |mu|}; so level i = 1..k of the types costs
    sum_s (H_{s+1} - d_s)(d_{s-1} - d_s) with d = H_1 >= d_1 >= ... >= d_L = 0 and d_s <= H_{s+1}, the types being
    decreasing in i. The volume is then p^{-k c} times the number of decreasing sequences of k minimizers d, which
    grows like k to the power (longest chain of minimizers - 1): 2 lambda = c, m = length of that chain.
    """
    h = [width - rank for width in widths]
    layers = [range(min(h[: s + 1]) + 1) for s in range(1, len(h) - 1)]
    costs = {}
    for inner in product(*layers):
        d = (h[0], *inner, 0)
        if all(x >= y for x, y in pairwise(d)):
            costs[inner] = sum((h[s + 1] - d[s + 1]) * (d[s] - d[s + 1]) for s in range(len(h) - 1))
    least = min(costs.values())
    outer = rank * (widths[0] + widths[-1] - rank)
    return Fraction(least + outer, 2), longest_chain([d for d, c in costs.items() if c == least])


def sizes(largest, length):
    for widths in product(range(1, largest + 1), repeat=length):
        for rank in range(min(widths) + 1):
            yield widths, rank


def test_reduced_rank_is_the_padic_volume_for_all_sizes_up_to_eight():
    # Kills: each case boundary moved by one, m = 1 where the sum is odd, min(M, N) for min(M, H), r(M + N) for
    # r(M + N - r).
    for widths, rank in sizes(8, 3):
        assert pair(reduced_rank(*widths, rank)) == padic(widths, rank), (widths, rank)


@pytest.mark.parametrize(("largest", "length"), [(9, 2), (7, 3), (5, 4), (3, 5), (2, 6)])
def test_deep_linear_is_the_padic_volume(largest, length):
    # Kills: < for <= in the set that decides, floor for ceiling, m = binomial(l, a), the widths of the set in place of
    # the outer ones, a(l - a)/(2 l). One layer is linear regression: H_1 H_2 / 2, m = 1.
    for widths, rank in sizes(largest, length):
        assert pair(deep_linear(widths, rank)) == padic(widths, rank), (widths, rank)


def test_deep_linear_with_two_layers_is_reduced_rank():
    for widths, rank in sizes(9, 3):
        assert pair(deep_linear(widths, rank)) == pair(reduced_rank(*widths, rank)), (widths, rank)


def test_deep_linear_published_and_extreme_values():
    # Kills: a set that needs the largest width, an order of widths that matters.
    assert pair(deep_linear([1] * 6, 0)) == (Fraction(1, 2), 5)  # (w1 ... w5)^2: a normal crossing
    assert pair(deep_linear([2] * 5, 0)) == (Fraction(3, 2), 5)  # four choose two = 6 minimizers, but a chain of 5
    assert pair(deep_linear([784, 100, 10], 5)) == (2210, 1)
    assert pair(deep_linear([100] * 3, 0)) == (3750, 1)
    assert pair(deep_linear([4, 3, 2, 3, 4], 1)) == (Fraction(9, 2), 2)
    assert deep_linear([50, 2, 3, 2, 60], 0).certificate == (2, 2, 3)
    # A wide layer more, of any width, changes nothing.
    assert pair(deep_linear([2, 2, 3, 9, 2], 0)) == pair(deep_linear([2, 2, 3, 2], 0))


# Aoyagi and Watanabe's pairs as listed by users of the theorem: (M, H, N, r), lambda, m.
PUBLISHED = [
    ((6, 1, 6, 1), "11/2", 1), ((6, 2, 6, 2), "10", 1), ((6, 4, 6, 3), "15", 2), ((6, 5, 6, 3), "16", 1),
    ((6, 6, 6, 3), "17", 2), ((5, 3, 5, 0), "13/2", 2), ((5, 4, 5, 0), "8", 1), ((4, 3, 8, 0), "6", 1),
    ((8, 3, 4, 0), "6", 1), ((2, 2, 2, 1), "2", 2), ((3, 2, 3, 1), "7/2", 2), ((10, 5, 10, 3), "32", 1),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "rlct", "multiplicity"), PUBLISHED)
def test_reduced_rank_published_values(arguments, rlct, multiplicity):
    assert pair(reduced_rank(*arguments)) == (Fraction(rlct), multiplicity)


def test_the_smallest_stratum_is_the_theorem_of_aoyagi_and_watanabe():
    # The pair at a point never uses the theorem at r > 0; its minimum over the points has to reproduce it, m too.
    # Kills: h = H - a - b, Na + Mb without - ab, the sizes M - b and N - a, a stratum left out.
    for widths, rank in sizes(7, 3):
        found = reduced_rank_strata(*widths, rank)
        least = min(f.rlct for f in found.values())
        multiplicity = max(f.multiplicity for f in found.values() if f.rlct == least)
        assert (least, multiplicity) == pair(reduced_rank(*widths, rank)), (widths, rank)
        assert pair(found[rank, rank]) == (least, multiplicity), (widths, rank)


def test_a_point_is_at_least_as_singular_as_the_points_next_to_it():
    # Points of ranks (a', b') >= (a, b) lie arbitrarily near, so they have a larger (lambda, -m).
    for widths, rank in sizes(5, 3):
        found = reduced_rank_strata(*widths, rank)
        key = {at: (f.rlct, -f.multiplicity) for at, f in found.items()}
        assert all(key[p] <= key[q] for p in key for q in key if p[0] <= q[0] and p[1] <= q[1]), (widths, rank)


def normal_form(m, h, n, r, a, b):
    """(A, B) with ranks a, b and a product of rank r, with entries 0 and 1."""
    left, right = np.zeros((h, m), int), np.zeros((n, h), int)
    left[range(a), range(a)] = 1
    kept = [*range(r), *range(a, a + b - r)]
    right[range(b), kept] = 1
    return left, right


def factorization(m, h, n, r, a, b, rng):
    """Random (A, B) with ranks a, b and a product of rank r, built from the normal form."""
    left, right = normal_form(m, h, n, r, a, b)
    middle = rng.normal(size=(h, h))
    return middle @ left @ rng.normal(size=(m, m)), rng.normal(size=(n, n)) @ right @ np.linalg.inv(middle)


def orders_one_and_two(A, B):
    """Rank of the derivative of (A, B) -> BA, and the number of directions in its kernel that its second order feels.

    The second order counts modulo the image of the first: on the kernel it is a quadratic map into the cokernel, and a
    direction that is in the kernel of all its components is not felt.
    """
    (h, m), n = A.shape, B.shape[0]
    basis = np.eye(h * m + n * h)
    dA, dB = basis[:, : h * m].reshape(-1, h, m), basis[:, h * m :].reshape(-1, n, h)
    jacobian = (dB @ A + B @ dA).reshape(len(basis), -1).T
    u, s, vt = np.linalg.svd(jacobian)
    rank = int((s > 1e-9 * s.max(initial=1)).sum())
    kernel, cokernel = vt[rank:], u[:, rank:]
    kA, kB = np.tensordot(kernel, dA, 1), np.tensordot(kernel, dB, 1)
    second = np.einsum("knh,lhm->klnm", kB, kA)
    forms = (second + second.swapaxes(0, 1)).reshape(len(kernel), len(kernel), n * m) @ cokernel
    return rank, int(np.linalg.matrix_rank(forms.reshape(len(kernel), -1), tol=1e-8)) if forms.size else 0


def test_regular_directions_and_the_remaining_product_seen_by_differentiation(rng):
    # At a random factorization of every type: the first order has rank Na + Mb - ab, and the second order on what is
    # left is a product of sizes (M - a, h, N - b), which has (M - a + N - b)h variables.
    # Kills: h = H - a - b + r without r, regular directions counted twice, an impossible pair of ranks allowed.
    for (m, h, n), r in sizes(4, 3):
        for (a, b), found in reduced_rank_strata(m, h, n, r).items():
            A, B = factorization(m, h, n, r, a, b, rng)
            assert [np.linalg.matrix_rank(x, tol=1e-8) for x in (A, B, B @ A)] == [a, b, r]
            regular, (inputs, hidden, outputs) = found.certificate
            variables = hidden * (inputs + outputs) if inputs * outputs else 0
            assert orders_one_and_two(A, B) == (regular, variables), (m, h, n, r, a, b)
            assert min(inputs, hidden, outputs) >= 0


@cache
def blown_up(inputs, hidden, outputs):
    """(lambda, m) of |BA|^2 at the origin: blow up all entries of A at once, A = u (1, q; r, s), Jacobian u^{HM - 1}.

    Then BA generates the same ideal as u times the first column of B and u times the rest of B times s - r q, which
    is the same problem with one input and one hidden unit less; the real Newton polyhedron of the monomials
    u_1 ... u_i b_ij is exact. Every point over the origin is at most as singular as the origins of the charts.
    """
    u, b = sympy.symbols("u:4"), sympy.symbols("b:4(:4)")
    steps = range(min(inputs, hidden))
    prior = sympy.prod(u[i] ** ((hidden - i) * (inputs - i) - 1) for i in steps)
    generators = [sympy.prod(u[: i + 1]) * b[4 * i + j] for i in steps for j in range(outputs)]
    found = rlct.newton(generators, prior=prior) if generators else None
    assert found is None or found.certificate.check()
    return pair(found) if found else (Fraction(0), 1)


def test_every_point_by_blow_ups_of_the_matrix():
    # Kills: the theorem's value with r for the remaining sizes, M - b for M - a, m of another stratum, Na + Mb + ab.
    # The regular directions in the certificate are held to ranks of derivatives above.
    for widths, rank in sizes(4, 3):
        for at, found in reduced_rank_strata(*widths, rank).items():
            regular, left = found.certificate
            value, multiplicity = blown_up(*left)
            assert pair(found) == (Fraction(regular, 2) + value, multiplicity), (widths, rank, at)


def test_every_point_from_the_raw_equations():
    # The engine gets the entries of BA - C at the point, nothing else, and its exact pairs are proved. It may end with
    # a bound where a product with two hidden units is left that is no scalar product. (All sizes up to three: 174 of
    # the 215 points are decided, and agree.) Kills: as above, and a normal form that is not the point's.
    wanted, proved, decided = {}, {}, set()
    for m, h, n in [(1, 2, 2), (2, 2, 2), (3, 1, 2), (3, 2, 1)]:
        A, B = (sympy.Matrix(*x) for x in ((h, m, sympy.symbols(f"a:{h * m}")), (n, h, sympy.symbols(f"b:{n * h}"))))
        for r in range(min(m, h, n) + 1):
            for at, want in reduced_rank_strata(m, h, n, r).items():
                left, right = normal_form(m, h, n, r, *at)
                point = dict(zip([*A, *B], [*left.ravel(), *right.ravel()], strict=True))
                found = rlct.derive(list(B * A - B.subs(point) * A.subs(point)), at=point).learning_coefficient()
                assert found.rlct >= want.rlct, (m, h, n, r, at)
                inputs, hidden, outputs = want.certificate.product
                decided |= {(m, h, n, r, at)} if hidden < 2 or inputs * outputs < 2 else set()
                proved |= {(m, h, n, r, at): pair(found)} if found.status == "exact" else {}
                wanted[m, h, n, r, at] = pair(want)
    assert proved == {point: wanted[point] for point in proved}
    assert decided <= set(proved)
    assert len(decided) == 25


def test_the_strata_are_all_pairs_of_ranks_of_matrices_over_two_elements():
    # Every pair of 2 x 2 matrices over {0, 1} with arithmetic modulo 2 obeys the same rank inequalities.
    # Kills: a + b <= H in place of a + b <= H + r.
    rank2 = lambda x: 2 if round(np.linalg.det(x)) % 2 else int(x.any())  # noqa: E731
    matrices = [np.array(e).reshape(2, 2) for e in product((0, 1), repeat=4)]
    seen = {(rank2(B @ A % 2), (rank2(A), rank2(B))) for A, B in product(matrices, matrices)}
    assert seen == {(r, at) for r in range(3) for at in reduced_rank_strata(2, 2, 2, r)}


def test_named_points_of_two_by_two_by_two():
    assert pair(reduced_rank(2, 2, 2, 0, at=(0, 0))) == (Fraction(3, 2), 1)
    assert pair(reduced_rank(2, 2, 2, 0, at=(2, 0))) == (2, 1)  # B = 0 is a smooth point: four equations
    assert pair(reduced_rank(2, 2, 2, 0, at=(1, 1))) == (Fraction(3, 2), 1)
    assert pair(reduced_rank(2, 2, 2, 1, at=(1, 1))) == (2, 2)


BAD = [
    (lambda: reduced_rank(3, 2, 3, 3), r"rank must be at most 2, the smallest of inputs, hidden.*got 3"),
    (lambda: reduced_rank(3, 2.0, 3, 1), r"hidden must be an integer; got 2\.0 of type float"),
    (lambda: reduced_rank(3, True, 3, 1), "hidden must be an integer; got True"),
    (lambda: reduced_rank(0, 2, 3, 0), "inputs must be at least 1; got 0"),
    (lambda: reduced_rank(3, 2, 3, -1), "rank must be at least 0; got -1"),
    (lambda: reduced_rank(2, 2, 2, 1, at=1), r"at must be the pair \(rank A, rank B\); got 1"),
    (lambda: reduced_rank(2, 2, 2, 1, at=(0, 2)), "rank A must be at least 1; got 0"),
    (lambda: reduced_rank(3, 2, 3, 1, at=(3, 1)), "rank A must be at most 2, the smaller of inputs and hidden; got 3"),
    (lambda: reduced_rank(2, 2, 2, 1, at=(2, 2)), r"rank A \+ rank B must be at most 3, because the product.*got 4"),
    (lambda: deep_linear([3], 1), r"widths must list at least two layers.*got \[3\]"),
    (lambda: deep_linear([3, 0, 2], 0), r"widths\[1\] must be at least 1; got 0"),
    (lambda: deep_linear([3, 2, 4], 3), "rank must be at most 2, the smallest width.*got 3"),
    (lambda: deep_linear(7, 3), "widths must list at least two layers"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m[:30] for _, m in BAD])
def test_bad_sizes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
