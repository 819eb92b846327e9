r"""The free energy of any model in one call: two estimates, their errors, and whether to believe them (floor 4)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt import _climbs, _conditional, _cover, _cubature, _laplace, _modes, _smc
from slt._arrays import MeanSE, SltWarning, check_beta
from slt._target import Target, target
from slt.energy import FreeEnergy
from slt.energy.record import pooled

__all__ = ["Tempered", "free_energy", "tempered_smc"]

ISLANDS, PARTICLES = 16, 2048  # independent populations; their spread is the error; particles in all of them
STUDENT = 1.0906  # two errors of 16 islands cover as often as two of a known error: t(15) at 95.4 % over 2
AGREE = 5.0  # standard errors between the two estimates beyond which both are refused (a low mean also has a low error)


@dataclass(frozen=True)
class Tempered:
    r"""Particles that climbed from the prior to the posterior at $\beta$, and the ladder that they took.

    **Arguments:** `free_energy`: $F_n(\beta)$ from the ratios on the way. `betas`: the rungs, shape `(rungs,)`, chosen
    on the way. `log_lik`: $\sum_i \log p(X_i \mid w)$ of the draws of each rung, shape `(rungs, islands, particles)`,
    as `slt.energy.stepping_stone` and its companions take it. `log_evidence`: $\log Z_n(\beta_k)$ of each island, shape
    `(rungs, islands)`. `draws`: name to array `(islands * particles, ...)`, from the posterior at the last rung.
    **Source:** Del Moral, Doucet and Jasra (2006).

    >>> energy = FreeEnergy(1.0, 0.1, method="tempered SMC")
    >>> Tempered(energy, np.array([0.0, 1.0]), np.zeros((2, 16, 8)), np.zeros((2, 16)), {}).betas.tolist()
    [0.0, 1.0]
    """

    free_energy: FreeEnergy
    betas: np.ndarray
    log_lik: np.ndarray
    log_evidence: np.ndarray
    draws: Mapping[str, Any]


def tempered_smc(
    key: jax.Array, model: Any, *args: Any, beta: float = 1.0, particles: int = PARTICLES, **kwargs: Any
) -> Tempered:
    r"""Free energy by tempered sequential Monte Carlo, from draws of the prior to the posterior at $\beta$.

    $$\hat Z_n(\beta) = \prod_k \frac1S \sum_s e^{-(\beta_{k+1} - \beta_k)\, n L_n(w_s^{(k)})}, \qquad
    w_s^{(k)} \sim p_{\beta_k}(w \mid X^n)$$

    in 16 islands side by side, in one compiled program that later calls with data of the same shape use again. It
    crosses between the modes of a mixture and the branches of a singular posterior as long as both carry mass on the
    way; a first-order transition it does not see: `free_energy` looks for one.

    **Arguments:** `key`: a JAX key. `model`, `args`, `kwargs`: a `Triple` with its data or a NumPyro model with its
    arguments, as in `slt.nuts`. `beta`: the last rung. `particles`: in all islands together, a multiple of 16.
    **Returns:** `Tempered`.
    **Raises:** `ValueError` for an improper prior, a `numpyro.factor`, discrete parameters, no data, `beta` or
    `particles` out of range. Warns (`SltWarning`) if islands disagree, die, or the ladder does not arrive.
    **Source:** Del Moral, Doucet and Jasra (2006); Jasra, Stephens, Doucet and Tsagaris (2011) for the ladder.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 2)})
    >>> found = tempered_smc(jax.random.key(0), triple, jnp.array([-1.0, 0.0, 0.5, 1.5, 2.0]))
    >>> bool(abs(found.free_energy.value - 9.00981) < 4 * found.free_energy.se)
    True
    """
    density, data = _prepare(key, model, args, kwargs, beta, particles)
    climb = _climb(key, density, data, beta, particles)
    energy = energy_of_islands(climb, beta)
    _warn(energy)
    rungs = int(climb.rungs) + 1
    flat = climb.u.reshape(-1, density.dimension)
    draws = jax.jit(jax.vmap(lambda u: density.constrain(u, data)))(flat)
    return Tempered(
        energy,
        np.asarray(climb.betas[:rungs]),
        np.asarray(climb.totals[:rungs]),
        np.asarray(climb.log_evidence[:rungs]),
        dict(draws),
    )


def free_energy(
    key: jax.Array,
    model: Any,
    *args: Any,
    beta: float = 1.0,
    particles: int = PARTICLES // 2,
    method: str = "auto",
    **kwargs: Any,
) -> FreeEnergy:
    r"""Free energy of a model on data: by quadrature, or by two estimates with their errors and their agreement.

    $$F_n(\beta) = -\frac1\beta \log \int \varphi(w) \prod_i p(X_i \mid w)^\beta\,dw$$

    Of one or two unconstrained parameters, the integral is done by adaptive quadrature, in milliseconds on small data:
    nothing is random but where the survey is centred, and `se` is the quadrature's own estimate of its error,
    calibrated to lie above it (also at edges and kinks), with no Monte Carlo error in it. Where that, rounding apart,
    stays above 0.01, and of more parameters, draws have the answer. A prior with mass beyond what floating point can
    tell from a boundary, such as Beta(0.05, 0.05), is integrated without that mass.

    Of up to 32 parameters, those in which the log joint density is quadratic once at most two others are given (weights
    and effects of normal models, given their standard deviations) are integrated exactly, and the others by the same
    quadrature. That the density is quadratic is checked at draws of the prior and of the posterior. This needs 64 bits.

    A posterior with one mode, near to normal (most regular models with data), takes milliseconds then: climbs from 1024
    draws of the prior and from around the mode must end at one place, and importance sampling, from a mixture that
    holds the mode, wide surroundings of it and the prior, must agree with bridge sampling. Where anything speaks
    against that, the posterior is tempered.

    Then sequential Monte Carlo from the prior has one estimate, bridge sampling between its particles and a mixture of
    Student distributions that covers them another. Modes are sought by climbs from draws of the prior and from the
    particles, and the mass around each is measured. Where particles of the prior never meet a mode that holds mass, the
    posterior jumps along $\beta$ (a first-order transition), and tempering is wrong by nats at any budget. What no
    climb finds, no method sees: a needle without slopes, far from everything, or on the slope of a hill a hundred times
    as wide (of two parameters, a needle a thousandth of the prior wide is missed by every method nine times in ten, one
    of a hundredth by quadrature in one of ten). With chains at hand, `free_energy_from` is right for what they visited.

    **Arguments:** as in `tempered_smc`; half as many `particles`, because the bridge carries the precision. `method`:
    `"auto"`; `"quadrature"`, an error where it does not serve; `"tempered"` to leave out all that is faster.
    **Returns:** `FreeEnergy`. By quadrature, `diagnostics` has its `panels` and `evaluations`, and `exact`, the number
    of parameters that were integrated exactly, if any. Otherwise the value is the mean of the two estimates, weighted
    by their precision; `diagnostics` has `estimates` by method, `agreement` (their difference in standard errors) and,
    if tempered, `modes` (the masses around modes) and `ladder`. If the two contradict each other, or a mode was missed,
    `value` and `se` are `nan`, and `problems` says what was found.
    **Raises:** as in `tempered_smc`; `ValueError` where quadrature was asked for and does not serve; warns
    (`SltWarning`) with every problem.
    **Source:** Berntsen, Espelid and Genz (1991) for adaptive quadrature; Meng and Wong (1996); Del Moral, Doucet and
    Jasra (2006); Grosse, Ghahramani and Adams (2015) for bounds from both sides.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 2)})
    >>> found = free_energy(jax.random.key(0), triple, jnp.array([-1.0, 0.0, 0.5, 1.5, 2.0]))
    >>> round(found.value, 4), found.se < 1e-5, found.method
    (9.0098, True, 'adaptive quadrature')
    """
    density, data = _prepare(key, model, args, kwargs, beta, particles)
    if method not in ("auto", "quadrature", "tempered"):
        raise ValueError(f'method must be "auto", "quadrature" or "tempered"; got {method!r}.')
    if method != "tempered":
        small = density.dimension <= _cubature.LARGEST
        exact = None if small else _conditional.free_energy(key, density, data, beta)
        exact = exact or _cubature.free_energy(key, density, data, beta)
        if exact.ok:
            return exact
        if method == "quadrature":
            raise ValueError(f'{exact.problems[0]} Use method="auto".')
    top, ends = _climbs.search(key, density, data, beta)
    if method == "auto" and top is not None and (fast := _laplace.estimates(key, density, data, beta, top)):
        return _laplace.record(*fast)
    keys = jax.random.split(key, 4)
    climb = _climb(keys[0], density, data, beta, particles)
    smc = energy_of_islands(climb, beta)
    if not np.isfinite(smc.value):
        _warn(smc)
        return smc
    bridge = _cover.bridge(keys[1], density, data, beta, climb)
    starts = _modes.starts(keys[2], density, data, climb, beta)
    more = _climbs.ends(density, data, beta, starts)
    ends = np.concatenate([ends[0], more[0]]), np.concatenate([ends[1], more[1]])
    modes = _modes.explore(keys[3], density, data, beta, ends, starts.std(0))
    value, se, agreement = pooled(smc, bridge)
    method = f"tempered SMC and bridge sampling, {agreement:.1f} errors apart"
    if not bridge.ok:
        value, se, method = smc.value, smc.se, f"tempered SMC; bridge sampling is {agreement:.1f} errors away"
    found = FreeEnergy(value, se, beta, method, smc.problems + bridge.problems)
    refusals = _modes.missed(modes, found, climb, beta)
    if not agreement < AGREE and bridge.ok and smc.ok:
        refusals.append(
            f"tempered SMC gives {smc.value:.3f} ± {smc.se:.3f} and bridge sampling {bridge.value:.3f} ± "
            f"{bridge.se:.3f}, {agreement:.1f} standard errors apart: the particles are not draws from the posterior. "
            f"Use more (particles={4 * particles}), or reparametrize."
        )
    diagnostics = {
        "estimates": {e.method: MeanSE(e.value, e.se) for e in (smc, bridge)},
        "agreement": agreement,
        "modes": tuple(MeanSE(-m.log_evidence / beta, m.se / beta) for m in modes),
        "ladder": np.asarray(climb.betas[: int(climb.rungs) + 1]),
    }
    if refusals:
        found = replace(found, value=np.nan, se=np.nan, method="refused", problems=(*refusals, *found.problems))
    found = replace(found, diagnostics=diagnostics)
    _warn(found)
    return found


def _prepare(key: Any, model: Any, args: Any, kwargs: Any, beta: Any, particles: Any) -> tuple[Target, Any]:
    if not isinstance(key, jax.Array):
        raise TypeError(f"key must be a JAX key, the first argument; got {type(key).__name__}. Use jax.random.key(0).")
    check_beta(beta)
    if not isinstance(particles, int | np.integer) or particles < 32 * ISLANDS or particles % ISLANDS:
        raise ValueError(
            f"particles must be a multiple of {ISLANDS}, at least {32 * ISLANDS}; got {particles!r}. The default "
            "serves models of up to some tens of parameters."
        )
    return target(model, args, kwargs)


def _climb(key: Any, density: Target, data: Any, beta: float, particles: int) -> _smc.Climb:
    at = jnp.asarray(beta, float)
    return _smc.climb(key, density, data, at, islands=ISLANDS, particles=particles // ISLANDS)


def energy_of_islands(climb: _smc.Climb, beta: float) -> FreeEnergy:
    """The mean of the evidences of the islands, and the error of that mean from their spread."""
    rungs = int(climb.rungs)
    log_z = np.asarray(climb.log_evidence[rungs], dtype=np.float64)
    at = float(climb.betas[rungs])
    dead = int((~np.isfinite(log_z)).sum())
    if dead or at < float(jnp.asarray(beta, float)):
        why = (
            f"in {dead} of {ISLANDS} islands no draw of the prior gives the data a positive density"
            if dead
            else f"the ladder ended at beta={at:.3g} after {rungs} rungs"
        )
        fix = "Look at the prior: it hardly meets the data. Use more particles, or a prior that does."
        return FreeEnergy(np.nan, np.nan, beta, "tempered SMC", (f"{why}. {fix}",), {})
    z = np.exp(log_z - log_z.max())
    se = float(STUDENT * z.std(ddof=1) / z.mean() / np.sqrt(ISLANDS))
    problems = []
    if se > 0.5:
        problems.append(
            f"the {ISLANDS} islands disagree: their log evidences spread by {log_z.std(ddof=1):.1f} nats, so that the "
            "error of the mean is itself unknown. Use more particles."
        )
    accepted = np.asarray(climb.acceptance[1 : rungs + 1])
    if accepted.min() < 0.1:
        problems.append(
            f"only {accepted.min():.0%} of the moves are accepted at "
            f"beta={float(climb.betas[1 + accepted.argmin()]):.3g}: the particles stand still there. Reparametrize."
        )
    value = -(np.log(z.mean()) + log_z.max()) / beta
    return FreeEnergy(float(value), se / beta, beta, "tempered SMC", tuple(problems), {"rungs": rungs})


def _warn(energy: FreeEnergy) -> None:
    if energy.problems:
        warnings.warn(" Also, ".join(energy.problems), SltWarning, stacklevel=3)
