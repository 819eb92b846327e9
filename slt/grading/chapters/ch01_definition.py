"""Graders of chapter 1: each compares with another route to the answer than the official solution takes."""

import numpy as np
from scipy.special import logsumexp

from slt.grading import expect
from slt.grading.register import Exercise


def _exercise(number, name, kind, points, difficulty, title, hints, shown):
    return Exercise(f"1.{number}", name, kind, points, difficulty, title, f"ex-1-{number}", hints, shown)


EXERCISES = (
    _exercise(
        1,
        "kl_from_empirical",
        "code",
        2,
        1,
        "The distance that maximum likelihood minimizes",
        (
            "Turn the counts into frequencies first. Which values of x contribute to the sum?",
            "With f = counts / counts.sum(), sum f * log(f / p) over the entries with f > 0.",
        ),
        "Shown: L_n(w) is this divergence plus a constant (maximum likelihood is the nearest point to the empirical "
        "distribution). Another route: scipy.special.rel_entr.",
    ),
    _exercise(
        2,
        "variance_of_empirical_entropy",
        "number",
        1,
        1,
        "How much S_n fluctuates",
        (
            "The theorem on the empirical entropy gives V[S_n] from the variance of log q(X).",
            "-log q(X) = log 6 + |X|/3. What is the distribution of |X|/3, and its variance?",
        ),
        "Shown: V[S_n] = V[log q(X)]/n, whatever the scale. Another route: integrate q (log q)^2, subtract S^2, divide "
        "by n.",
    ),
    _exercise(
        3,
        "log_predictive",
        "code",
        2,
        1,
        "A predictive density from draws",
        (
            "The predictive density averages over draws. Which axis is that, and what is averaged: p or log p?",
            "log-mean-exp over axis 0: logsumexp(log_lik, axis=0) - log(draws). Without the trick, exp(-2000) is 0.",
        ),
        "Shown: p*(x) = E_w[p(x|w)] without underflow. Another route: slt.generalization_loss, which is minus this.",
    ),
    _exercise(
        4,
        "improper_prior_with_a_posterior",
        "choice",
        1,
        1,
        "Which improper prior will do?",
        (
            "A posterior exists if prior times likelihood has a finite integral. Take the four in turn.",
            "Three of them leave some direction, or an end, of the parameter where the likelihood does not decay.",
        ),
        "Shown: the theorem on improper priors with and without a posterior. Another route: growing boxes.",
    ),
    _exercise(
        5,
        "exponential_predictive",
        "symbolic",
        3,
        2,
        "A predictive density by hand",
        (
            "The posterior is Gamma(a + n, b + s). The predictive density is a ratio of two normalizers.",
            "z = Gamma(A) / B^A with A = a + n, B = b + s. One more observation x: A + 1 and B + x.",
        ),
        "Shown: the predictive density is v(x) z(eta + g(x)) / z(eta), here a Lomax density. Another route: integrate "
        "theta exp(-theta x) against the posterior.",
    ),
    _exercise(
        6,
        "tempered_coin",
        "code",
        2,
        1,
        "A posterior at inverse temperature beta",
        (
            "Only the likelihood is raised to the power beta.",
            "The exponent of theta is (a - 1) + beta * (number of ones).",
        ),
        "Shown: eta-hat = eta + beta * sum g(x_i). Another route: multiply prior and likelihood on a grid.",
    ),
    _exercise(
        7,
        "mixture_kl_order",
        "symbolic",
        3,
        3,
        "Why the mixture never becomes normal",
        (
            "Write p/q = 1 + a u with u = exp(b x - b^2/2) - 1. What are E[u] and E[u^2] under q = N(0, 1)?",
            "E[u] = 0 and E[u^2] = exp(b^2) - 1, about b^2. Expand -log(1 + a u) to second order.",
        ),
        "Shown: K is a^2 b^2 / 2 to leading order, so it vanishes on two lines that cross and no quadratic form in "
        "(a, b) is near it. Another route: integrate numerically on a log-log plot.",
    ),
    _exercise(
        8,
        "generalization_error",
        "code",
        2,
        2,
        "The error of a normal prediction",
        (
            "G - S is a KL divergence. Of which density from which?",
            "KL(N(m0, s0^2) || N(m, s^2)) = log(s/s0) + (s0^2 + (m - m0)^2) / (2 s^2) - 1/2.",
        ),
        "Shown: G_n - S = KL(q || p*), zero only at p* = q. Another route: integrate q log(q/p*) numerically.",
    ),
    _exercise(
        9,
        "gibbs_inequality",
        "proof",
        3,
        2,
        "Proof: a divergence is never negative",
        (
            "The gap is -log t - (1 - t). Differentiate it; where does it turn?",
            "Put t = p/q and multiply 1 - t by q: what is the integral of q - p over {q > 0}?",
        ),
        "Shown: the lemma that the divergence is nonnegative, with equality case. Another route: Jensen's inequality.",
    ),
    _exercise(
        10,
        "importance_cv",
        "code",
        2,
        2,
        "Cross-validation without refitting",
        (
            "At beta = 1 the leave-one-out density is 1 / E_w[1/p(X_i|w)].",
            "C_i = log E_w[exp(-log p(X_i|w))]: a log-mean-exp of minus the matrix.",
        ),
        "Shown: the second statement of the cross-validation theorem. Another route: slt.cv_loss(..., method='plain').",
    ),
    _exercise(
        11,
        "exact_cv",
        "code",
        3,
        2,
        "Cross-validation by refitting",
        (
            "Without x_i the posterior of w is normal; what are its precision and mean?",
            "P = 1/tau^2 + n - 1 and mean (sum x - x_i)/P; the predictive density is N(mean, 1 + 1/P).",
        ),
        "Shown: leave-one-out in closed form. Another route: a ratio of two marginal likelihoods, Z_n / Z_{n-1}.",
    ),
    _exercise(
        12,
        "cv_exceeds_training",
        "proof",
        3,
        2,
        "Proof: cross-validation is never below training",
        (
            "Write both terms with E_w[p] and E_w[1/p]. Which inequality relates these two averages?",
            "C - T = log(E_w[p] E_w[1/p]), and the product is at least 1; it is 1 only if p is the same at every draw.",
        ),
        "Shown: the third statement of the cross-validation theorem at beta = 1. Another route: Cauchy-Schwarz with "
        "sqrt(p) and 1/sqrt(p).",
    ),
    _exercise(
        13,
        "waic",
        "code",
        2,
        1,
        "WAIC from the matrix",
        (
            "W_n = T_n + (beta/n) sum V_i: what is then the i-th of n terms whose mean is W_n?",
            "Term i is -log E_w[p(X_i|w)] + beta * V_w[log p(X_i|w)], the variance over draws with ddof=0.",
        ),
        "Shown: the definition of W_n with its pointwise terms. Another route: slt.waic_loss.",
    ),
    _exercise(
        14,
        "coin_evidence",
        "symbolic",
        2,
        2,
        "The marginal likelihood of a sequence",
        (
            "Integrate theta^k (1 - theta)^(n - k) against the Beta(a, b) density.",
            "The integral is a beta function: sympy.beta(a + k, b + n - k), over the prior's own normalizer.",
        ),
        "Shown: Z_n is a ratio of normalizers, and a density of sequences, not of counts. Another route: the "
        "product of the n one-step predictions.",
    ),
    _exercise(
        15,
        "pair_probabilities",
        "code",
        2,
        2,
        "Probabilities of models",
        (
            "P(k | data) is proportional to prior_k times Z_k, and Z_k = exp(-F_k).",
            "Free energies of real data are thousands of nats: subtract a logsumexp before you take exp.",
        ),
        "Shown: Bayes' theorem on pairs of model and prior. Another route: subtract the smallest F first.",
    ),
    _exercise(
        16,
        "leverage_cv",
        "code",
        3,
        3,
        "Leave-one-out from the leverages",
        (
            "Deleting observation i turns its residual r_i into r_i / (1 - h_i). What is the predictive variance then?",
            "The variance is sigma^2 / (1 - h_i), so the term is log(2 pi sigma^2)/2 - log(1 - h_i)/2 + r_i^2 / "
            "(2 sigma^2 (1 - h_i)).",
        ),
        "Shown: the key step of the theorem on leverage. Another route: n refits.",
    ),
)


def test_1_1_matches_the_definition(answer, rng):
    from scipy import stats

    size = int(rng.integers(3, 7))
    p, counts = rng.dirichlet(np.full(size, 3.0)), rng.integers(1, 20, size)
    f = counts / counts.sum()
    want = stats.entropy(f, p)
    unless = [
        (stats.entropy(p, f), "the arguments are exchanged: the frequencies come first, KL(q_hat || p)."),
        (want / np.log(2), "this is in bits; nats need the natural logarithm."),
        (np.sum(counts * np.log(counts / p)), "the counts must be divided by n first."),
        (np.sum(f * np.log(p)), "this is minus the cross-entropy: q_hat is missing inside the logarithm."),
    ]
    given = f"counts {counts.tolist()}, p {p.round(4).tolist()}"
    expect.close(answer(counts, p), want, given=given, why="sum of f log(f/p), f the frequencies.", unless=unless)


def test_1_1_categories_without_observations(answer, rng):
    counts, p = np.array([0, int(rng.integers(2, 9)), 0, 1]), rng.dirichlet(np.full(4, 3.0))
    f = counts / counts.sum()
    given = f"counts {counts.tolist()}, p {p.round(4).tolist()}"
    why = "a value that does not occur contributes nothing: 0 log 0 = 0."
    expect.close(answer(counts, p), np.sum(f[f > 0] * np.log(f[f > 0] / p[f > 0])), given=given, why=why)


def test_1_2_value(answer, rng):
    given, got = "q(x) = exp(-|x|/3)/6, n = 50", answer()
    unless = [
        (1 / np.sqrt(50), "this is the standard deviation of S_n."),
        (1.0, "this is V[log q(X)]; S_n is a mean of n terms."),
        (18 / 50, "this is the variance of the mean of X; S_n averages log q(X)."),
        (9 / 50, "the scale does not enter: what counts is |X|/3."),
        (1 / 49, "S_n is a mean of n terms, not of n - 1."),
    ]
    value = expect.number(got, given=given)
    if abs(50 * value - 1) < 0.1:
        unless.append((value, "this is simulated, and within a few percent: return the exact number."))
    why = "of the theorem on the mean and the variance of the empirical entropy."
    expect.close(got, 1 / 50, given=given, why=why, unless=unless, wanted="another number")


def test_1_3_average_of_densities(answer, rng):
    log_lik = rng.normal(-4, 1.5, rng.integers((30, 3), (60, 7)))
    want = np.log(np.mean(np.exp(log_lik), axis=0))
    given = f"log_lik of shape {log_lik.shape}"
    expect.close(
        answer(log_lik), want, given=given, why="p*(x) is the mean over draws of p(x|w_s).",
        unless=[
            (log_lik.mean(0), "this averages log p; the predictive density averages p (by Jensen it is larger)."),
            (logsumexp(log_lik, axis=0), "this is the sum over draws: divide by their number."),
            (-want, "this is the loss; the log density has the other sign."),
        ],
    )  # fmt: skip


def test_1_3_no_underflow(answer, rng):
    """Each column at a level of its own, and draws that count for nothing, the first among them."""
    draws, m = (int(size) for size in rng.integers((30, 3), (60, 7)))
    base, shift = rng.normal(-4, 1.5, (draws, m)), np.linspace(0, 1900, m) + rng.uniform(0, 100, m)
    log_lik = base - shift
    log_lik[::2] = -2500.0
    want = np.log(np.exp(base[1::2]).sum(0) / draws) - shift
    expect.close(
        answer(log_lik), want, given=f"log_lik of shape ({draws}, {m}) with entries from 0 to -2500",
        why="p*(x) is the mean over draws; exp(-2000) is 0 and exp(1000) is infinite in floating point.",
        overflow="take the largest entry of each column out first: log-sum-exp.",
    )  # fmt: skip


def test_1_4_letter(answer, rng):
    expect.choice(
        answer(), "c",
        {
            "a": "all tosses are heads, so near theta = 1 the likelihood tends to 1 and the integral of 1/(1 - theta) "
            "diverges.",
            "b": "the likelihood integrates over mu to 1 for every sigma, and the integral of 1/sigma diverges at 0 "
            "(nothing holds sigma away from 0) and at infinity.",
            "d": "for every b the likelihood is at least (1 - a)^n prod N(x_i|0,1), which does not depend on b: the "
            "integral over b diverges.",
        },
        given="the four priors with their data",
    )  # fmt: skip


def test_1_5_expression(answer, rng):
    import sympy

    a, b, n, s, x = sympy.symbols("a b n s x", positive=True)
    shape, rate, scale = a + n, b + s, 1 / b + s
    expect.symbolic(
        answer(), -sympy.diff((rate / (rate + x)) ** shape, x), given="Gamma(a, b) prior, n observations with sum s",
        why="the integral of theta exp(-theta x) against the Gamma(a + n, b + s) density is a Lomax density.",
        unless=[
            (shape / rate * sympy.exp(-x * shape / rate), "this plugs the posterior mean into the model."),
            ((shape - 1) / rate * sympy.exp(-x * (shape - 1) / rate), "this plugs the posterior mode into the model."),
            (n / s * sympy.exp(-x * n / s), "this plugs the maximum likelihood estimate into the model."),
            (shape / (scale + x) * (scale / (scale + x)) ** shape, "b is a rate, not a scale: the sum s adds to b."),
            (a / (b + x) * (b / (b + x)) ** a, "this is the prior predictive: the data are missing."),
            (shape / rate * (1 + x / rate) ** (-shape), "the exponent is a + n + 1."),
            (rate**shape / (rate + x) ** (shape + 1), "the factor Gamma(a + n + 1)/Gamma(a + n) is missing."),
        ],
    )  # fmt: skip


def test_1_6_parameters(answer, rng):
    a, b, beta = rng.uniform(0.5, 4, 3)
    x = rng.integers(0, 2, int(rng.integers(8, 20)))
    ones, zeros = x.sum(), len(x) - x.sum()
    expect.close(
        answer(a, b, x, beta), [a + beta * ones, b + beta * zeros],
        given=f"a={a:.3f}, b={b:.3f}, beta={beta:.3f}, {ones} ones among {len(x)}", why="each toss counts beta times.",
        unless=[
            ([a + ones, b + zeros], "beta is ignored."),
            ([beta * (a - 1) + 1 + beta * ones, beta * (b - 1) + 1 + beta * zeros], "the prior is tempered too."),
            ([beta * (a + ones), beta * (b + zeros)], "the prior's counts are multiplied by beta too."),
            ([b + beta * zeros, a + beta * ones], "the two parameters are exchanged: a belongs to the ones."),
        ],
    )  # fmt: skip


def test_1_7_leading_term(answer, rng):
    import sympy

    a, b = sympy.symbols("a b", positive=True)
    expect.symbolic(
        answer(), a**2 * b**2 / 2, given="K(a, b) for small b",
        why="K = a^2 E[u^2]/2 + ... with u = exp(b x - b^2/2) - 1, and E[u^2] = b^2 + ...",
        unless=[
            (a * b**2 / 2, "this is the weight times the divergence of N(b, 1): by convexity only an upper bound."),
            (a**2 * b**2, "the factor 1/2 of the second-order term is missing."),
            (a**2 * (sympy.exp(b**2) - 1) / 2, "this is not yet the leading term: expand it in b."),
            (a * b, "the linear term has mean zero: E[u] = 0."),
            (a**2 / 2 + b**2 / 2, "this vanishes at one point only; K vanishes wherever a = 0 or b = 0."),
        ],
    )  # fmt: skip


def test_1_7_against_the_integral(answer, rng):
    import sympy

    weight, shift = float(rng.uniform(0.2, 0.9)), 0.01
    x, w = np.polynomial.hermite_e.hermegauss(60)
    exact = -(w / w.sum()) @ np.log1p(weight * np.expm1(shift * x - shift**2 / 2))
    expression = sympy.sympify(answer())
    value = float(expression.subs({s: {"a": weight, "b": shift}[s.name] for s in expression.free_symbols}))
    expect.close(value, exact, given=f"a={weight:.3f}, b={shift}", why="this is the integral itself.", rtol=0.02)


def test_1_8_value(answer, rng):
    from scipy import stats

    m0, apart = rng.normal(0, 1), rng.uniform(1, 2)
    m, (s, s0) = m0 + apart, rng.uniform(0.5, 2, 2)
    x, w = np.polynomial.hermite_e.hermegauss(40)
    x, w = m0 + s0 * x, w / w.sum()

    def divergence(m0, s0, m, s, x):
        return w @ (stats.norm.logpdf(x, m0, s0) - stats.norm.logpdf(x, m, s))

    u, want = np.polynomial.hermite_e.hermegauss(40)[0], divergence(m0, s0, m, s, x)
    expect.close(
        answer(m, s, m0, s0), want,
        given=f"predictive N({m:.3f}, {s:.3f}^2), truth N({m0:.3f}, {s0:.3f}^2)", why="G - S = KL(q || p*).",
        unless=[
            (divergence(m, s, m0, s0, m + s * u), "this is KL(predictive || truth): the average is over the truth."),
            (
                divergence(m0, s0**0.5, m, s**0.5, m0 + s0**0.5 * u),
                "s and s0 are standard deviations; you took them for variances.",
            ),
            (-(w @ stats.norm.logpdf(x, m, s)), "this is the loss G; the error is G - S."),
            (want / np.log(2), "this is in bits; nats need the natural logarithm."),
            (want + 0.5, "the -1/2 of the entropy is missing: at p* = q the error is 0."),
        ],
    )  # fmt: skip


def test_1_9_steps(answer, rng):
    import sympy

    t, c = sympy.symbols("t c", positive=True)
    steps = expect.steps(answer(), "gap", "derivative", "minimizer", "bound", given="nothing")

    def around_one(rng):
        return {"t": sympy.Rational(2 * int(rng.integers(0, 29)) + 1, 16)}

    expect.symbolic(
        steps["gap"], t - 1 - sympy.log(t), given="step gap", why="-log t minus (1 - t).", domain=around_one,
        unless=[(sympy.log(t) - t + 1, "the sign: the gap is -log t - (1 - t), which must come out nonnegative.")],
    )  # fmt: skip
    expect.symbolic(
        steps["derivative"], 1 - 1 / t, given="step derivative", why="the derivative of t - 1 - log t.",
        domain=around_one, unless=[(1 + 1 / t, "the derivative of -log t is -1/t.")],
    )  # fmt: skip
    expect.symbolic(
        steps["minimizer"], 1, given="step minimizer", why="1 - 1/t vanishes at t = 1, and the gap is 0 there."
    )
    expect.symbolic(
        steps["bound"], 1 - c, given="step bound, c the mass of p on {q > 0}", why="q (1 - p/q) = q - p.",
        domain=lambda rng: {"c": sympy.Rational(int(rng.integers(1, 20)), 20)},
        unless=[
            (c - 1, "the sign: the integral of q - p is 1 - c."),
            (sympy.Integer(0), "that is the conclusion; the integral itself is 1 - c, and c can be less than one."),
        ],
    )  # fmt: skip


def test_1_10_identity(answer, rng):
    log_lik = rng.normal(-2, 0.7, rng.integers((30, 3), (60, 7)))
    want = np.log(np.mean(1 / np.exp(log_lik), axis=0))
    given = f"log_lik of shape {log_lik.shape}"
    expect.close(
        answer(log_lik), want, given=given, why="C_i = log E_w[1 / p(X_i|w)] at beta = 1.",
        unless=[
            (-np.log(np.mean(np.exp(log_lik), axis=0)), "this is the training loss: X_i is still in the posterior."),
            (-log_lik.mean(0), "this averages the loss over draws (the Gibbs loss)."),
            (-want, "the sign: the leave-one-out density is 1 / E_w[1/p], the loss is minus its logarithm."),
        ],
    )  # fmt: skip


def test_1_10_no_overflow(answer, rng):
    """Each column at a level of its own."""
    draws, n = (int(size) for size in rng.integers((30, 3), (60, 7)))
    base, shift = rng.normal(-2, 0.7, (draws, n)), np.linspace(0, 1900, n) + rng.uniform(0, 100, n)
    expect.close(
        answer(base - shift), np.log(np.mean(np.exp(-base), axis=0)) + shift,
        given=f"log_lik of shape ({draws}, {n}) with entries from 0 to -2000",
        why="C_i = log E_w[1 / p(X_i|w)]; exp(2000) is infinite and exp(-2000) is 0 in floating point.",
        overflow="take the largest entry of each column out first: logsumexp of -log_lik.",
    )  # fmt: skip


def test_1_11_value(answer, rng):
    from scipy import stats

    n, tau = int(rng.integers(4, 9)), float(rng.uniform(0.5, 2))
    x = rng.normal(1, 1, n)

    def log_z(x):
        covariance = np.eye(len(x)) + tau**2
        return -0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + x @ np.linalg.solve(covariance, x))

    def loss(total, precision, variance):
        return -stats.norm.logpdf(x, total / precision, variance**0.5)

    want = np.array([log_z(np.delete(x, i)) - log_z(x) for i in range(n)])
    full, without, rest = 1 / tau**2 + n, 1 / tau**2 + n - 1, x.sum() - x
    wide = 1 / tau + n - 1
    expect.close(
        answer(x, tau), want, given=f"n={n}, tau={tau:.3f}", why="-log p(x_i | the others) = -log Z_n + log Z_(n-1).",
        unless=[
            (loss(x.sum(), full, 1 + 1 / full), "x_i is still in the posterior: T_n."),
            (loss(rest, without, 1.0), "the uncertainty of w is missing: the predictive variance is 1 + 1/P."),
            (loss(rest, without, 1 / without), "this is the posterior of w: the predictive variance is 1 + 1/P."),
            (loss(rest, full, 1 + 1 / full), "the precision is that of n - 1."),
            (loss(rest, n - 1, 1 + 1 / (n - 1)), "the prior is missing."),
            (loss(rest, wide, 1 + 1 / wide), "tau is a standard deviation: the prior's precision is 1/tau^2."),
            (-want, "the sign: the terms of C_n are minus log densities."),
        ],
    )  # fmt: skip


def test_1_12_steps(answer, rng):
    from scipy import stats

    p = rng.uniform(0.1, 0.8, int(rng.integers(20, 40)))
    given = f"{len(p)} densities p between 0.1 and 0.8"
    steps = expect.steps(answer(p), "training", "cv", "product", "equality", given=given)
    arithmetic, harmonic = p.mean(), stats.hmean(p)
    product = arithmetic / harmonic
    expect.close(
        steps["training"], -np.log(arithmetic), given=given, why="T is minus the log of the mean of p.",
        unless=[
            (-np.log(p).mean(), "this averages the logarithm (the Gibbs loss); T averages p first."),
            (np.log(arithmetic), "the sign: T = -log E_w[p]."),
        ],
    )  # fmt: skip
    expect.close(
        steps["cv"], -np.log(harmonic), given=given, why="C is the log of the mean of 1/p.",
        unless=[
            (-np.log(arithmetic), "this is the training term again."),
            (np.log(harmonic), "the sign: C = +log E_w[1/p]."),
        ],
    )  # fmt: skip
    expect.close(
        steps["product"], product, given=given, why="E_w[p] E_w[1/p], whose logarithm is C - T.",
        unless=[
            (1.0, "E_w[p * 1/p] is 1; the product of the two averages is not."),
            (np.log(product), "this is C - T itself, the logarithm of the product."),
            (1 / product, "upside down: the logarithm of this is T - C."),
        ],
    )  # fmt: skip


def test_1_12_equality(answer, rng):
    """Powers of two and 32 draws: the averages of equal draws are exact."""
    level = 2.0 ** int(rng.choice([-2, -1, 1]))
    odd = np.full(32, level)
    odd[int(rng.integers(1, 31))] *= 1.03
    cases = (
        (np.full(32, level), True, f"32 draws, all with p = {level:g}"),
        (odd, False, f"32 draws with p = {level:g}, except one with p = {1.03 * level:g}"),
        (np.tile([level, 2 * level], 16), False, f"32 draws with p = {level:g} and {2 * level:g} in turn"),
    )
    for p, equal, given in cases:
        got = expect.steps(answer(p), "equality", given=given)["equality"]
        value = np.asarray(got)
        if value.dtype != bool or value.shape != ():
            why = f"return True or False, not {type(got).__name__}."
            expect.fail(given=given, got=expect.short(got), want=str(equal), why=why)
        expect.true(
            bool(value) == equal, given=given, got=got, want=str(equal),
            why="C = T when all draws of p are equal, and only then.",
            misconception="comparing computed averages with == also meets rounding, and a tolerance may be too wide: "
            "compare the draws of p.",
        )  # fmt: skip


def test_1_13_terms(answer, rng):
    log_lik, beta = rng.normal(-2, 0.8, rng.integers((20, 3), (40, 7))), float(rng.uniform(1.2, 2))
    p, draws, n = np.exp(log_lik), *log_lik.shape
    training = -np.log(p.mean(0))
    second = (log_lik**2).mean(0) - log_lik.mean(0) ** 2
    want = training + beta * second
    expect.close(
        answer(log_lik, beta), want, given=f"log_lik of shape {log_lik.shape}, beta={beta:.3f}",
        why="W_n = T_n + (beta/n) sum_i V_i is the mean of the terms T_i + beta V_i.",
        unless=[
            (training + beta * second * draws / (draws - 1), "the posterior variance has ddof=0."),
            (training + beta * second / n, "the 1/n is in the mean already: it is divided out twice."),
            (training + second, "beta is missing."),
            (training + 2 * beta * second, "the factor 2 belongs to the deviance scale."),
            (training + beta * p.var(0), "V is the variance of log p, not of p."),
            (-log_lik.mean(0) + beta * second, "the first part averages p before the logarithm."),
            (-want, "this is minus the loss (elpd): here a small value is good."),
            (training - beta * second, "the sign of V_i: the loss is the training term plus the penalty."),
            (beta * (training + second), "beta multiplies V_i only."),
            (training + beta**2 * second, "V is the variance of log p, not of beta log p: this has beta^2."),
            (training + beta * second.mean(), "term i has V_i, not the mean of them all."),
        ],
    )  # fmt: skip


def test_1_13_no_underflow(answer, rng):
    """Each column at a level of its own."""
    draws, n = (int(size) for size in rng.integers((20, 3), (40, 7)))
    base, shift = rng.normal(-2, 0.8, (draws, n)), np.linspace(0, 1900, n) + rng.uniform(0, 100, n)
    beta = float(rng.uniform(1.2, 2))
    expect.close(
        answer(base - shift, beta), -np.log(np.mean(np.exp(base), axis=0)) + shift + beta * base.var(0),
        given=f"log_lik of shape ({draws}, {n}) with entries from 0 to -2000, beta={beta:.3f}",
        why="a constant in a column moves out of the logarithm; exp(-2000) is 0 in floating point.",
        overflow="take the largest entry of each column out first: log-sum-exp.",
    )  # fmt: skip


def test_1_14_expression(answer, rng):
    import sympy

    a, b, k, n = sympy.symbols("a b k n", positive=True)
    want = sympy.rf(a, k) * sympy.rf(b, n - k) / sympy.rf(a + b, n)

    def tosses(rng):
        n = int(rng.integers(1, 9))
        a, b = (sympy.Rational(int(half), 2) for half in rng.integers(1, 10, 2))
        return {"n": sympy.Integer(n), "k": sympy.Integer(int(rng.integers(0, n + 1))), "a": a, "b": b}

    expect.symbolic(
        answer(), want, given="n tosses, k ones, Beta(a, b) prior", why="B(a + k, b + n - k) / B(a, b).",
        domain=tosses,
        unless=[
            (sympy.binomial(n, k) * want, "with the binomial coefficient it is the probability of the count k."),
            (want * sympy.beta(a, b), "the prior's own normalizer B(a, b) is missing."),
            (1 / want, "upside down."),
            (
                sympy.rf(a, n - k) * sympy.rf(b, k) / sympy.rf(a + b, n),
                "k and n - k are exchanged: a belongs to the ones.",
            ),
            (-sympy.log(want), "this is the free energy F_n = -log Z_n."),
            (sympy.log(want), "this is log Z_n."),
        ],
    )  # fmt: skip


def test_1_15_probabilities(answer, rng):
    size = int(rng.integers(3, 7))
    free_energy, prior = rng.uniform(0.5, 3, size), rng.dirichlet(np.full(size, 3.0))
    weight = prior * np.exp(-free_energy)
    up, flat = prior * np.exp(free_energy), np.exp(-free_energy)
    expect.close(
        answer(free_energy, prior), weight / weight.sum(),
        given=f"F {free_energy.round(3).tolist()}, prior {prior.round(3).tolist()}",
        why="P(k | data) is proportional to prior_k exp(-F_k).",
        unless=[
            (up / up.sum(), "the sign: Z = exp(-F), a small free energy is a probable pair."),
            (flat / flat.sum(), "the prior weights of the pairs are missing."),
            (weight, "the probabilities must add up to one."),
            (prior * flat / flat.sum(), "the probabilities must add up to one: normalize after the prior is in."),
            (weight / flat.max(), "the probabilities must add up to one: subtracting the smallest F does not do it."),
        ],
    )  # fmt: skip


def test_1_15_large_free_energies(answer, rng):
    """One pair thousands of nats above the others, so that only the smallest free energy may be subtracted."""
    gaps = np.append(rng.uniform(4000, 6000), rng.permutation([0.0, *rng.uniform(0, 4, 2)]))
    prior, base = rng.dirichlet(np.full(4, 3.0)), float(rng.uniform(1e4, 2e4))
    weight = prior * np.exp(-gaps)
    expect.close(
        answer(base + gaps, prior), weight / weight.sum(), given=f"F {(base + gaps).round(1).tolist()}",
        why="a common constant cancels; exp(-10000) is 0 and exp(1000) is infinite in floating point.",
        overflow="only differences of F matter: subtract the smallest before you take exp.", rtol=1e-5,
    )  # fmt: skip


def test_1_16_against_refits(answer, rng):
    from scipy import stats

    n, sigma = int(rng.integers(5, 10)), float(rng.uniform(0.5, 2))
    x = np.append(rng.uniform(0.3, 1, n - 1), 3.0) * rng.permutation(np.resize([-1.0, 1.0], n))
    y = 0.7 * x + rng.normal(0, 1, n)
    want, plug_in = np.empty(n), np.empty(n)
    for i in range(n):
        u, v = np.delete(x, i), np.delete(y, i)
        slope = np.linalg.lstsq(u[:, None], v, rcond=None)[0][0]
        want[i] = -stats.norm.logpdf(y[i], slope * x[i], sigma * (1 + x[i] ** 2 / (u @ u)) ** 0.5)
        plug_in[i] = -stats.norm.logpdf(y[i], slope * x[i], sigma)
    h, fit = x**2 / (x @ x), x * (x @ y) / (x @ x)
    left_out, as_variance = (y - fit) / (1 - h), sigma / (1 - h)
    expect.close(
        answer(x, y, sigma), want, given=f"n={n}, sigma={sigma:.3f}, one x far out",
        why="without i the residual is r_i / (1 - h_i) and the variance sigma^2 / (1 - h_i).",
        unless=[
            (-stats.norm.logpdf(y, fit, sigma * (1 + h) ** 0.5), "y_i is still in the fit: this is T_n."),
            (plug_in, "the uncertainty of a is missing: the predictive variance is sigma^2 / (1 - h_i)."),
            (-stats.norm.logpdf(y, fit, sigma), "this plugs in the fit to all data."),
            (-stats.norm.logpdf(y, fit, sigma / (1 - h) ** 0.5), "the residual must be divided by 1 - h_i too."),
            (-stats.norm.logpdf(left_out, 0, as_variance**0.5), "sigma is a standard deviation, not a variance."),
        ],
    )  # fmt: skip
