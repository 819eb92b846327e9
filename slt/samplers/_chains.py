r"""What the samplers share: the tempered density, the accept step, and chains that run side by side.

$$\log p(u) = \log \varphi(T(u)) + \log |T'(u)| + \beta \sum_i \log p(X_i \mid T(u)) + \text{const}$$

where $T$ maps $\mathbb{R}^d$ onto the support of the prior, so that no sampler has to know of boundaries.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import SltWarning, check_beta, check_log_lik
from slt._arviz import ess, rhat
from slt._nodes import check_key, check_whole
from slt._target import Target, target
from slt.interop import log_lik as log_lik_of
from slt.posterior import Diagnostics
from slt.triple import Posterior, Triple

WARMUP = 500  # rounds in which the step size adapts; they are thrown away
TRIES = 64  # draws of the prior among which a chain looks for a start
DIVERGED = 1000.0  # nats of lost energy that count as a divergence, as in Stan


class State(NamedTuple):
    """Where a chain is: the point, its log density, and the gradient for the samplers that follow it."""

    u: Any
    log_density: Any
    gradient: Any = None


def init(log_density: Callable[[Any], Any], u: Any, *, slope: bool = True) -> State:
    """The state at `u`, with the gradient if `slope`."""
    return State(u, *jax.value_and_grad(log_density)(u)) if slope else State(u, log_density(u))


def accept(key: Any, log_ratio: Any, new: Any, old: Any) -> Any:
    r"""`new` with probability $\min(1, e^{\text{log ratio}})$, else `old`; a ratio that is no number rejects."""
    yes = jnp.log(jax.random.uniform(key, (), jnp.result_type(log_ratio))) < log_ratio
    return jax.tree.map(lambda a, b: jnp.where(yes, a, b), new, old)


def start(key: Any, density: Target, data: Any) -> Any:
    """The first of some draws of the prior at which the data have a positive density."""
    u = jax.vmap(lambda k: density.draw_prior(k, data))(jax.random.split(key, TRIES))
    at = jax.vmap(lambda u: density.log_prior(u, data) + density.log_lik(u, data))(u)
    return u[jnp.argmax(jnp.isfinite(at))]


def adapt(size: Any, log_ratio: Any, goal: float, t: Any) -> Any:
    r"""Step size after round $t$: $\log\epsilon \leftarrow \log\epsilon + (\alpha - \text{goal})\, t^{-0.6}$."""
    chance = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio), 0.0))
    return size * jnp.exp((chance - goal) * (t + 1.0) ** -0.6)


@partial(jax.jit, static_argnames=("density", "step", "goal", "slope", "draws", "chains", "thin"))
def run(key, density, data, beta, *, step, goal, slope, draws, chains, thin) -> Any:
    """Points `(chains, draws, d)` and log ratios `(chains, draws)` of the last step before each."""

    def log_density(u):
        return density.log_prior(u, data) + beta * density.log_lik(u, data)

    def round_(carry, key_t):
        (state, size), (key, t) = carry, key_t
        state, log_ratios = jax.lax.scan(
            lambda s, k: step(k, s, log_density, size=size), state, jax.random.split(key, thin)
        )
        warm = t < WARMUP
        size = jnp.where(warm, adapt(size, log_ratios[-1], goal, t.astype(size.dtype)), size)
        return (state, size), (state.u, log_ratios[-1])

    def chain(key):
        key_start, key_rounds = jax.random.split(key)
        state = init(log_density, start(key_start, density, data), slope=slope)
        size = jnp.asarray(0.5, state.u.dtype)
        keys = jax.random.split(key_rounds, WARMUP + draws)
        _, (u, log_ratio) = jax.lax.scan(round_, (state, size), (keys, jnp.arange(WARMUP + draws)))
        return u[WARMUP:], log_ratio[WARMUP:]

    return jax.vmap(chain)(jax.random.split(key, chains))


def prepare(key: Any, model: Any, data: Any, beta: Any, **counts: int) -> tuple[Target, Any]:
    """The target of a triple on data, after the checks of everything that a caller hands over."""
    check_key(key)
    if not isinstance(model, Triple):
        raise TypeError(f"the samplers want a Triple; got {type(model).__name__}. slt.nuts takes NumPyro models.")
    check(beta, **counts)
    log_lik_of(model, {name: p.sample(jax.random.key(0), (1,)) for name, p in model.prior.items()}, *data)
    density, arrays = target(model, data, {})
    return density, arrays


def check(beta: Any, *, draws: int, chains: int, **counts: int) -> None:
    """Raise `ValueError` unless beta is positive and the numbers of things are whole and large enough."""
    check_beta(beta)
    check_whole("chains", chains, 1)
    check_whole("draws", draws, 8 if chains == 1 else 4)
    for name, value in counts.items():
        check_whole(name, value, 1)


def check_start(log_density: Any) -> None:
    """Raise `ValueError` if some chain never found a point with a positive density."""
    if not np.isfinite(np.asarray(log_density)).all():
        raise ValueError(
            f"none of {TRIES} draws of the prior gives the data a positive, finite density: the prior hardly meets the "
            "data, or an observation lies outside the support of its distribution. Check the data, then the prior."
        )


def sample(key, model, data, *, beta, draws, chains, thin, step, goal, slope=True, energy=False) -> Posterior:
    """Run the chains of one sampler and judge them; large losses of `energy` count as divergences."""
    density, arrays = prepare(key, model, data, beta, draws=draws, chains=chains, thin=thin)
    at = jnp.asarray(beta, float)
    options = {"step": step, "goal": goal, "slope": slope, "draws": draws, "chains": chains, "thin": thin}
    u, log_ratio = run(key, density, arrays, at, **options)
    flat = jax.jit(jax.vmap(lambda u: density.constrain(u, arrays)))(u.reshape(-1, density.dimension))
    check_start(jax.vmap(lambda u: density.log_lik(u, arrays))(u[:, -1]))
    lost = np.asarray(log_ratio)
    diverged = int((~(lost > -DIVERGED)).sum()) if energy else 0
    return judge(model, dict(flat), data, beta=beta, chains=chains, diverged=diverged, level=4)


def judge(
    model: Any, flat: Mapping[str, Any], data: Any, *, beta, chains, diverged=0, problems=(), level=3
) -> Posterior:
    """A `Posterior` of draws, chain after chain, with a warning for everything that is wrong with them."""
    by_chain = {name: np.asarray(a).reshape(chains, -1, *a.shape[1:]) for name, a in flat.items()}
    draws = next(iter(by_chain.values())).shape[1]
    diagnostics = Diagnostics(
        {name: rhat(a) for name, a in by_chain.items()},
        {name: ess(a) for name, a in by_chain.items()},
        {name: ess(a, method="tail") for name, a in by_chain.items()},
        divergences=diverged,
        chains=chains,
        draws=draws,
    )
    log_lik = check_log_lik(log_lik_of(model, flat, *data))
    if found := [*diagnostics.problems(), *problems]:
        warnings.warn(" Also, ".join(found), SltWarning, stacklevel=level)
    return Posterior(flat, log_lik, beta, diagnostics=diagnostics)
