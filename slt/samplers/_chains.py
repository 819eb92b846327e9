r"""What the samplers share: the tempered density, the accept step, and chains that run side by side.

$$\log p(u) = \log \varphi(T(u)) + \log |T'(u)| + \beta \sum_i \log p(X_i \mid T(u)) + \text{const}$$

where $T$ maps $\mathbb{R}^d$ onto the support of the prior, so that no sampler has to know of boundaries.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import SltWarning, check_beta, check_log_lik
from slt._nodes import check_key, check_whole
from slt._target import Target, target
from slt.interop import log_lik as log_lik_of
from slt.posterior import diagnose
from slt.triple import Posterior, Triple

WARMUP = 500  # rounds in which the step size adapts; they are thrown away
GAIN = 3.0  # of the adaptation: a start far out, where steps must be tiny, is forgotten in time
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


def starts(key: Any, density: Target, data: Any, chains: int) -> Any:
    """For each chain the first of some draws of the prior at which the data have a positive density, `(chains, d)`."""
    u, feasible = _starts(key, density, data, chains)
    if not np.asarray(feasible).all():
        raise ValueError(
            f"none of {TRIES} draws of the prior gives the data a positive, finite density: the prior hardly meets the "
            "data, or an observation lies outside the support of its distribution. Check the data, then the prior."
        )
    return u


@partial(jax.jit, static_argnames=("density", "chains"))
def _starts(key, density, data, chains) -> Any:
    u = jax.vmap(lambda k: density.draw_prior(k, data))(jax.random.split(key, chains * TRIES))
    at = jax.vmap(lambda u: density.log_prior(u, data) + density.log_lik(u, data))(u)
    feasible = jnp.isfinite(at).reshape(chains, TRIES)
    u = u.reshape(chains, TRIES, -1)
    return u[jnp.arange(chains), jnp.argmax(feasible, axis=1)], feasible.any(1)


def adapt(size: Any, total: Any, log_ratio: Any, goal: float, t: Any) -> tuple[Any, Any]:
    r"""Step size after round $t$, and the sum of its logarithms over the second half of warmup.

    $$\log\epsilon \leftarrow \log\epsilon + 3\,(\alpha - \text{goal})\,(t + 1)^{-0.6}$$

    At the end of warmup the size becomes the geometric mean of that half, and stands still from then on.
    """
    chance = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio), 0.0))
    new = size * jnp.exp(GAIN * (chance - goal) * (t + 1.0) ** -0.6).astype(size.dtype)
    total = total + jnp.where(t >= WARMUP // 2, jnp.log(new), 0.0)
    new = jnp.where(t == WARMUP - 1, jnp.exp(total / (WARMUP - WARMUP // 2)), new)
    return jnp.where(t < WARMUP, new, size), total


@partial(jax.jit, static_argnames=("density", "step", "goal", "slope", "draws", "thin"))
def run(key, density, data, beta, first, *, step, goal, slope, draws, thin) -> Any:
    """Points `(chains, draws, d)` and log ratios `(chains, draws)` of the last step before each, from `first`."""

    def log_density(u):
        return density.log_prior(u, data) + beta * density.log_lik(u, data)

    def round_(carry, key_t):
        (state, size, total), (key, t) = carry, key_t
        state, log_ratios = jax.lax.scan(
            lambda s, k: step(k, s, log_density, size=size), state, jax.random.split(key, thin)
        )
        size, total = adapt(size, total, log_ratios[-1], goal, t)
        return (state, size, total), (state.u, log_ratios[-1])

    def chain(key, u):
        size, keys = jnp.asarray(0.5, u.dtype), jax.random.split(key, WARMUP + draws)
        state = init(log_density, u, slope=slope)
        carry = state, size, jnp.zeros_like(size)
        _, (u, log_ratio) = jax.lax.scan(round_, carry, (keys, jnp.arange(WARMUP + draws)))
        return u[WARMUP:], log_ratio[WARMUP:]

    return jax.vmap(chain)(jax.random.split(key, len(first)), first)


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


def sample(key, model, data, *, beta, draws, chains, thin, step, goal, slope=True, energy=False) -> Posterior:
    """Run the chains of one sampler and judge them; large losses of `energy` count as divergences."""
    density, arrays = prepare(key, model, data, beta, draws=draws, chains=chains, thin=thin)
    key_start, key_run = jax.random.split(key)
    first = starts(key_start, density, arrays, chains)
    options = {"step": step, "goal": goal, "slope": slope, "draws": draws, "thin": thin}
    u, log_ratio = run(key_run, density, arrays, jnp.asarray(beta, float), first, **options)
    flat = jax.jit(jax.vmap(lambda u: density.constrain(u, arrays)))(u.reshape(-1, density.dimension))
    lost = np.asarray(log_ratio)
    diverged = int((~(lost > -DIVERGED)).sum()) if energy else 0
    return judge(model, dict(flat), data, beta=beta, chains=chains, diverged=diverged, level=4)


def judge(model: Any, flat: Any, data: Any, *, beta, chains, diverged=0, problems=(), level=3) -> Posterior:
    """A `Posterior` of draws, chain after chain, with a warning for everything that is wrong with them."""
    by_chain = {name: np.asarray(a).reshape(chains, -1, *a.shape[1:]) for name, a in flat.items()}
    diagnostics = diagnose(by_chain, diverged)
    log_lik = check_log_lik(log_lik_of(model, flat, *data))
    if found := [*diagnostics.problems(), *problems]:
        warnings.warn(" Also, ".join(found), SltWarning, stacklevel=level)
    return Posterior(flat, log_lik, beta, diagnostics=diagnostics)
