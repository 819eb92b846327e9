r"""The No-U-Turn sampler at any inverse temperature, with a verdict on its chains (floor 3)."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import handlers
from numpyro.infer import MCMC, NUTS, init_to_feasible

from slt._arrays import SltWarning, check_beta, check_log_lik
from slt._mixing import ess, rhat
from slt._sites import (
    Temper,
    as_jax,
    check_latent,
    check_observed,
    inspect,
    refuse_options,
    without_support_warnings,
)
from slt._work import show_progress
from slt.interop import log_lik as log_lik_of
from slt.triple import Posterior, Triple, log_density

WARMUP = 1000  # Stan's default: step size and mass matrix settle well before that for the models of this book
TARGET_ACCEPTANCE = 0.9  # smaller steps than the usual 0.8: fewer divergences for a quarter more work
RHAT, ESS_PER_CHAIN = 1.01, 100  # thresholds of Vehtari et al. (2021), section 4


@dataclass(frozen=True, repr=False)
class Diagnostics:
    r"""What the chains say about themselves, per parameter.

    **Arguments:** `rhat`, `ess_bulk`, `ess_tail`: name to array of the parameter's shape (split rank-normalized
    $\hat R$; effective sample sizes of the centre and of the 5 % and 95 % quantiles). `divergences`: number of
    divergent transitions after warmup. `chains`: number of chains. `draws`: draws of each chain.
    **Source:** Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021); Betancourt (2017) for divergences.

    >>> Diagnostics({"mu": 1.0}, {"mu": 3900.0}, {"mu": 3800.0}, divergences=0, chains=4, draws=1000)
    Diagnostics(4 chains x 1000 draws; R-hat <= 1.000 (mu); ESS >= 3900 bulk (mu), 3800 tail (mu); 0 divergences)
    """

    rhat: Mapping[str, Any]
    ess_bulk: Mapping[str, Any]
    ess_tail: Mapping[str, Any]
    divergences: int
    chains: int
    draws: int = field(default=0)

    @property
    def ess(self) -> dict[str, np.ndarray]:
        """The smaller of the bulk and the tail effective sample size, name to array."""
        return {name: np.minimum(self.ess_bulk[name], self.ess_tail[name]) for name in self.ess_bulk}

    def problems(self) -> list[str]:
        """One sentence, with a number and a fix, for each thing that is wrong; empty when nothing is."""
        found = []
        worst, name = _worst(self.rhat, largest=True)
        if not worst <= RHAT:
            apart = "the chains have" if self.chains > 1 else "the halves of the chain (chains=4 shows more) have"
            found.append(
                f"R-hat is {worst:.3f} for {name} (threshold {RHAT}): {apart} not reached the same "
                "distribution. Draw longer (draws=); if it stays, look for several modes, or reparametrize."
            )
        wanted = ESS_PER_CHAIN * self.chains
        least, name = _worst(self.ess, largest=False)
        if not least >= wanted:
            more = int(np.ceil(wanted / least)) if least > 0 else 99
            longer = f"Draw {more} times as many (draws={more * self.draws})"
            fix = longer if more <= 10 else "Reparametrize; more draws will not do"
            found.append(
                f"the effective sample size is {least:.0f} for {name} (wanted {wanted}, which is {ESS_PER_CHAIN} per "
                f"chain): averages of it are too noisy. {fix}."
            )
        if self.divergences:
            total = self.chains * self.draws
            found.append(
                f"{self.divergences} of {total} transitions diverged: the sampler skips a part of the posterior where "
                "it is too curved. Reparametrize (non-centred: theta = mu + tau * z, z ~ N(0, 1)) or tighten the prior."
            )
        return found

    def __repr__(self) -> str:
        high, h = _worst(self.rhat, largest=True)
        (bulk, b), (tail, t) = _worst(self.ess_bulk, largest=False), _worst(self.ess_tail, largest=False)
        return (
            f"Diagnostics({self.chains} chains x {self.draws} draws; R-hat <= {high:.3f} ({h}); "
            f"ESS >= {bulk:.0f} bulk ({b}), {tail:.0f} tail ({t}); {self.divergences} divergences)"
        )


def diagnose(by_chain: Mapping[str, Any], divergences: int = 0) -> Diagnostics:
    """What chains of any sampler say about themselves; `by_chain`: name to array `(chains, draws, ...)`."""
    chains, draws = np.shape(next(iter(by_chain.values())))[:2]
    return Diagnostics(
        {name: rhat(a) for name, a in by_chain.items()},
        {name: ess(a) for name, a in by_chain.items()},
        {name: ess(a, method="tail") for name, a in by_chain.items()},
        divergences,
        chains,
        draws,
    )


def nuts(
    key: jax.Array,
    model: Any,
    *args: Any,
    beta: float = 1.0,
    draws: int = 1000,
    chains: int = 4,
    site: str | None = None,
    **kwargs: Any,
) -> Posterior:
    r"""Draws from the posterior at inverse temperature $\beta$ by the No-U-Turn sampler.

    $$p(w \mid X^n) \propto \varphi(w) \prod_i p(X_i \mid w)^\beta$$

    Only the likelihood is raised to the power $\beta$; the prior stays as it is. Each chain adapts for 1000 steps
    first.

    **Arguments:** `key`: a JAX key. `model`: a `Triple`, or a NumPyro model that observes the data. `args`, `kwargs`:
    the data (`*data` of a triple, the arguments of the model; arguments named like an option here go by position):
    arrays, pandas columns or lists of numbers. `draws`: kept per chain. `chains`: run side by side in one program.
    `site`: as in `log_lik`, for models with several observed sites, all of which are tempered.
    **Returns:** `Posterior`: draws name to array `(chains * draws, ...)`, chain after chain; `log_lik` of shape
    `(chains * draws, n)`, *not* tempered, ready for every loss with the same `beta`; `diagnostics`.
    **Raises:** `ValueError` for $\beta \le 0$, no data, a model without parameters or with discrete ones, a log
    density that is nowhere finite, and whatever `log_lik` refuses. Warns (`SltWarning`) when $\hat R > 1.01$, when an
    effective sample size is below 100 per chain, and when transitions diverge.
    **Source:** Hoffman and Gelman (2014); Watanabe (2018), section 1.4. NumPyro does the work.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> nuts(jax.random.key(0), triple, jnp.array([0.1, -0.3, 0.8]), draws=500).log_lik.shape
    (2000, 3)
    """
    _check(key, model, draws, chains)
    check_beta(beta)
    args, kwargs = as_jax((args, kwargs))
    if isinstance(model, Triple):
        refuse_options("a Triple", site=site, **kwargs)
        run = _triple_model(model, beta)
        _check_triple_data(args)
        sites = inspect(run, *args)
    else:
        sites = inspect(model, *args, **kwargs)
        check_observed(sites, site)
        run = Temper(model, beta)
    check_latent(sites.latent)
    mcmc = MCMC(
        NUTS(run, target_accept_prob=TARGET_ACCEPTANCE),
        num_warmup=WARMUP,
        num_samples=draws,
        num_chains=chains,
        chain_method="vectorized",
        progress_bar=show_progress(),
    )
    with without_support_warnings():  # an observation outside the support is an error below, not a warning
        try:
            mcmc.run(key, *args, extra_fields=("diverging",), **kwargs)
        except (RuntimeError, ValueError) as error:
            if "initial parameters" not in str(error) and "got invalid" not in str(error):
                raise
            raise ValueError(_not_finite(model, run, args, kwargs)) from error
    by_chain = {name: a for name, a in mcmc.get_samples(group_by_chain=True).items() if name in sites.latent}
    diagnostics = diagnose(by_chain, int(mcmc.get_extra_fields()["diverging"].sum()))
    samples = mcmc.get_samples()
    options = {} if isinstance(model, Triple) else {"site": site}
    log_lik = check_log_lik(log_lik_of(model, samples, *args, **options, **kwargs))
    if problems := diagnostics.problems():
        warnings.warn(" Also, ".join(problems), SltWarning, stacklevel=2)
    return Posterior(samples, log_lik, beta, diagnostics=diagnostics)


def _triple_model(triple: Triple, beta: float) -> Callable[..., None]:
    def model(*data):
        w = {name: numpyro.sample(name, prior) for name, prior in triple.prior.items()}
        numpyro.factor("slt tempered log-likelihood", beta * log_density(triple, w, *data).sum())

    return model


def _check(key: Any, model: Any, draws: Any, chains: Any) -> None:
    if not isinstance(key, jax.Array) or not (
        jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or (key.dtype == jnp.uint32 and key.shape == (2,))
    ):
        raise TypeError(f"key must be a JAX key, the first argument; got {type(key).__name__}. Use jax.random.key(0).")
    if not callable(model) and not isinstance(model, Triple):
        raise TypeError(f"nuts wants a Triple or a NumPyro model, a function; got {type(model).__name__}.")
    for name, value, least in (("chains", chains, 1), ("draws", draws, 8 if chains == 1 else 4)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}.")


def _check_triple_data(data: Any) -> None:
    for position, a in enumerate(data):
        bad = ~np.isfinite(np.asarray(a))
        if bad.any():
            raise ValueError(
                f"data array {position} of the triple: {int(bad.sum())} of {bad.size} entries are NaN or infinite "
                f"(first at {int(np.argmax(bad))}). Drop those observations."
            )


def _not_finite(model: Any, run: Callable[..., Any], args: Any, kwargs: Any) -> str:
    """Which sites have no finite log density at a feasible point."""
    seeded = handlers.substitute(handlers.seed(run, jax.random.key(0)), substitute_fn=init_to_feasible)
    sites = handlers.trace(seeded).get_trace(*args, **kwargs)
    log_probs = {k: s["fn"].log_prob(s["value"]) for k, s in sites.items() if s["type"] == "sample"}
    if isinstance(model, Triple):
        w = {name: sites[name]["value"] for name in model.prior}
        log_probs = {name: log_probs[name] for name in w} | {"the data": log_density(model, w, *args)}
    found = []
    for name, log_prob in log_probs.items():
        terms = np.asarray(log_prob).ravel()
        bad = np.flatnonzero(~np.isfinite(terms))
        if bad.size:
            found.append(f"{name} ({bad.size} of {terms.size} terms, first at {bad[0]}: {terms[bad[0]]})")
    return (
        "the log density is not finite at any starting point"
        f"{': at a feasible point look at ' + ', '.join(found) if found else ''}. An observation outside the support "
        "of its distribution, a scale that is not positive, or an overflow does this: check the data, then the model."
    )


def _worst(values: Mapping[str, Any], *, largest: bool) -> tuple[float, str]:
    """The most worrying entry, NaN first, and what it is called: ('theta[3]')."""
    best = None
    for name, value in values.items():
        a = np.asarray(value, dtype=float)
        score = np.where(np.isnan(a), np.inf, a if largest else -a)
        if a.size and (best is None or score.max() > best[0]):
            where = np.unravel_index(int(score.argmax()), a.shape)
            best = (score.max(), float(a[where]), name + (f"[{', '.join(map(str, where))}]" if where else ""))
    return (np.nan, "none") if best is None else best[1:]
