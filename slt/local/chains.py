r"""The chains: all of them, all their steps, in one compiled program.

A state is the displacement $u = w - w^*$ as one vector per chain. What a step hands back is the excess loss
$L_B(w) - L_B(w^*)$, the squared distance and, every so often, the bias of the step and the probability that a
Metropolis test would accept it.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from slt.local.settings import Settings

CHECKS = 20  # how often in a run the acceptance of a step of SGLD is computed; each costs one more gradient
BIAS_EVERY = 4  # steps, since a product over all parameters of every chain costs a twentieth of a step
BENT = 0.9903017451138938, 0.004193257348002427  # z and z^3, of the normals of 8 bits: variance one and kurtosis 3
DECAY, DAMPING = 0.99, 0.1  # of the squared gradients in "psgld"; the damping is relative to their root mean square


class Steps(NamedTuple):
    """What chains hand back, `(chains, draws)`; bias of every `BIAS_EVERY`-th step, acceptance NaN between checks."""

    excess: Any
    distance: Any
    bias: Any
    acceptance: Any
    diverging: Any = None  # trajectories of NUTS whose energy was lost, proposals of MALA whose loss is NaN


@partial(jax.jit, static_argnames=("loss", "settings"))
def run(key: Any, loss: Any, settings: Settings, params: Any, data: Any, at_start: Any, numbers: Any) -> Steps:
    r"""All the chains; `at_start` is (baseline, rows, mask), `numbers` is (step, gamma, n beta)."""
    baseline, rows, mask = at_start
    n = jax.tree.leaves(data)[0].shape[0]
    centre, unravel = ravel_pytree(params)
    step, gamma, n_beta = (jnp.asarray(a, centre.dtype) for a in numbers)
    free = jnp.ones((1,), centre.dtype) if mask is None else ravel_pytree(mask)[0].astype(centre.dtype)
    chains, sampler = settings.chains, settings.sampler
    drawn, measured = settings.batch_size or 0, settings.eval_size or 0
    measured = 0 if measured >= n else measured

    def batch_of(words):
        """A batch for each chain and its mean loss at w*; all the data where there are no words to draw it with."""
        if words.shape[1] == 0:
            return data, None, baseline
        index = (words % n).astype(jnp.int32)  # 32 bits: no index is favoured by more than n / 2^32
        return jax.tree.map(lambda a: a[index], data), 0, rows[index].mean(1)

    def excess_and_gradient(u, batch, axis, base):
        at = jax.value_and_grad(lambda u, batch: loss(unravel(centre + u), batch))
        value, gradient = jax.vmap(at, in_axes=(0, axis))(u, batch)
        return value - base, gradient

    def force(u, gradient, scale):
        """Preconditioned gradient of U."""
        return free * scale * (n_beta * gradient + gamma * u)

    def log_accept(u, v, excess_u, excess_v, force_u, force_v, scale):
        """Logarithm of the Metropolis ratio of the move u -> v, forces preconditioned."""
        rise = n_beta * (excess_v - excess_u) + gamma / 2 * ((v * v).sum(1) - (u * u).sum(1))
        back = (free / scale * (u - v + step / 2 * force_v) ** 2).sum(1)
        forth = (free / scale * (v - u + step / 2 * force_u) ** 2).sum(1)
        return -rise - (back - forth) / (2 * step)

    every = max(settings.draws * settings.thin // CHECKS, 1)

    def langevin(carry, now):
        (u, square), (t, seed) = carry, now
        words = _words(seed, (chains, drawn + measured + -(-centre.size // 4)))
        batch, axis, base = batch_of(words[:, :drawn])
        excess, gradient = excess_and_gradient(u, batch, axis, base)
        scale = jnp.ones((1, 1), centre.dtype)
        if sampler == "psgld":
            new = DECAY * square + (1 - DECAY) * (gradient * free) ** 2
            square = jnp.where(t < settings.burn_in, new, square)
            scale = preconditioner(square, free)
        # The force is taken anew wherever it is needed: kept, every step would write it to memory.
        noise = _normal(quantiles, words[:, drawn + measured :], centre.size)
        v = u - step / 2 * force(u, gradient, scale) + free * jnp.sqrt(step * scale) * noise

        def bias():
            """Of the step: (eps/8) n beta g . A grad U."""
            return step / 8 * _dot(n_beta * gradient, force(u, gradient, scale))

        def accept():
            excess_v, gradient_v = excess_and_gradient(v, batch, axis, base)
            pull, pull_v = force(u, gradient, scale), force(v, gradient_v, scale)
            return jnp.exp(jnp.minimum(log_accept(u, v, excess, excess_v, pull, pull_v, scale), 0))

        def evaluate():
            batch, axis, base = batch_of(words[:, drawn : drawn + measured])
            return jax.vmap(lambda u, b: loss(unravel(centre + u), b), in_axes=(0, axis))(u, batch) - base

        empty = jnp.full_like(excess, jnp.nan)
        kept = t - settings.burn_in
        acceptance = jax.lax.cond((kept >= 0) & (kept % every == 0), accept, lambda: empty)
        if settings.eval_size is not None:
            excess = jax.lax.cond((kept >= 0) & (kept % settings.thin == 0), evaluate, lambda: empty)
        some = jax.lax.cond((kept >= 0) & (kept % BIAS_EVERY == 0), bias, lambda: empty)
        return (v, square), Steps(excess, _dot(u, u), some, acceptance)

    def metropolis(carry, t):
        u, excess, gradient = carry
        k_noise, k_accept = jax.random.split(jax.random.fold_in(key, t))
        scale = jnp.ones((1, 1), centre.dtype)
        pull = force(u, gradient, scale)
        v = u - step / 2 * pull + free * jnp.sqrt(step) * jax.random.normal(k_noise, u.shape, u.dtype)
        excess_v, gradient_v = excess_and_gradient(v, data, None, baseline)
        log_ratio = log_accept(u, v, excess, excess_v, pull, force(v, gradient_v, scale), scale)
        taken = jnp.log(jax.random.uniform(k_accept, (chains,), u.dtype)) < log_ratio  # NaN is refused
        acceptance = jnp.where(jnp.isnan(log_ratio), 0.0, jnp.exp(jnp.minimum(log_ratio, 0)))
        steps = Steps(excess, (u * u).sum(1), jnp.zeros_like(excess), acceptance, jnp.isnan(excess_v))
        choose = lambda new, old: jnp.where(taken.reshape(-1, *[1] * (new.ndim - 1)), new, old)  # noqa: E731
        return (choose(v, u), choose(excess_v, excess), choose(gradient_v, gradient)), steps

    u = jnp.zeros((chains, centre.size), centre.dtype)
    if sampler == "mala":
        first = (u, *excess_and_gradient(u, data, None, baseline))
        _, steps = jax.lax.scan(metropolis, first, jnp.arange(settings.steps))
    else:
        seeds, quantiles = jax.random.bits(key, (settings.steps, 4), jnp.uint32), _quantiles().astype(centre.dtype)
        square = u if sampler == "psgld" else jnp.zeros((chains, 1), centre.dtype)
        _, steps = jax.lax.scan(langevin, (u, square), (jnp.arange(settings.steps), seeds))
    kept = jax.tree.map(lambda a: a[settings.burn_in :].T, steps)
    excess, distance = (a[:, :: settings.thin] for a in (kept.excess, kept.distance))
    return Steps(excess, distance, kept.bias[:, ::BIAS_EVERY], kept.acceptance, kept.diverging)


def preconditioner(square: Any, free: Any) -> Any:
    r"""Diagonal $A_i \propto 1/(0.1\,r + \sqrt{v_i})$, $r^2$ the mean of the $v_i$, of mean one over what is free."""
    mean = lambda a: (a * free).sum(1, keepdims=True) / jnp.broadcast_to(free, a.shape[1:]).sum()  # noqa: E731
    size = jnp.sqrt(mean(square))
    inverse = 1 / (DAMPING + jnp.sqrt(square) / jnp.where(size > 0, size, 1))
    return jnp.where(free > 0, inverse / mean(inverse), 1)


def _words(state: Any, shape: tuple[int, int]) -> Any:
    """Random words of a step: Threefry's rounds in one loop of XLA's, faster than JAX's own, which takes five."""
    return jax.lax.rng_bit_generator(state, shape, algorithm=jax.lax.RandomAlgorithm.RNG_THREE_FRY)[1]


def _quantiles() -> Any:
    """The 256 equally likely values of the noise, at most 2.96 in size, with the first five moments of a normal."""
    z = 2**0.5 * jax.lax.erf_inv((jnp.arange(256, dtype=jnp.float32) + 0.5) / 128 - 1)
    return BENT[0] * z + BENT[1] * z**3


def _normal(quantiles: Any, words: Any, size: int) -> Any:
    """Noise of a step, four looked up for a word, at a sixth of what `jax.random.normal` costs.

    With three right moments Euler's step keeps its weak order (Kloeden and Platen 1992, section 14.1), and on a
    quadratic loss two keep the mean and the covariance. The Metropolis test gets normals of full resolution instead.
    """
    shifts = jnp.arange(0, 32, 8, dtype=jnp.uint32)[:, None]
    return quantiles[(words[:, None] >> shifts & 0xFF).reshape(len(words), -1)[:, :size]]


def _dot(a: Any, b: Any) -> Any:
    """Sums of products, one for each chain: as a product with ones, which uses vector units where a sum does not."""
    return (a * b) @ jnp.ones(a.shape[1], a.dtype)
