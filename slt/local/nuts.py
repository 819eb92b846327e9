r"""NUTS chains of the localized posterior: NumPyro's transition under `vmap` and `scan`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from numpyro.infer.hmc import hmc

from slt.local.chains import BIAS_EVERY, Steps
from slt.local.settings import Settings

# At 0.9 a network of rank 0 loses 3 % of its trajectories in the narrow valleys.
TARGET_ACCEPTANCE = 0.98
# Every fourth trajectory after burn-in has an eighth of the learned step: where a valley narrows to a neck, as that of
# w1 w2^2 does, the learned step does not enter, and of thirteen runs some came out six of their errors too low.
EVERY, SHORTER = 4, 8


@partial(jax.jit, static_argnames=("loss", "settings"))
def run_nuts(key: Any, loss: Any, settings: Settings, params: Any, data: Any, at_start: Any, numbers: Any) -> Steps:
    r"""All the chains, arguments as in `slt.local.chains.run`; the first leapfrog step is $\sqrt\varepsilon$.

    The potential is $n\beta\,(L_n(w^* + u) - L_n(w^*)) + \frac\gamma2 |u|^2$. Coordinates that a mask holds get a
    standard normal law of their own, of which loss and distance know nothing.
    """
    baseline, _, mask = at_start
    centre, unravel = ravel_pytree(params)
    step, gamma, n_beta = (jnp.asarray(a, centre.dtype) for a in numbers)
    free = jnp.ones((1,), centre.dtype) if mask is None else ravel_pytree(mask)[0].astype(centre.dtype)

    def excess_of(u):
        return loss(unravel(centre + free * u), data) - baseline

    def potential(u):
        return n_beta * excess_of(u) + ((gamma * free + (1 - free)) * u * u).sum() / 2

    def chain(key):
        kernel: Any = hmc(potential, algo="NUTS")
        start, transition = kernel
        first = start(
            jnp.zeros_like(centre),
            settings.burn_in,
            step_size=jnp.sqrt(step),
            target_accept_prob=TARGET_ACCEPTANCE,
            rng_key=key,
        )

        def one(state, t):
            # The schedule knows nothing of the state, so that each step, long or short, keeps the posterior as it is.
            learned = state.adapt_state.step_size
            drawing = t >= settings.burn_in
            now = jnp.where(drawing & (t % EVERY == 0), learned / SHORTER, learned)
            state = transition(state._replace(adapt_state=state.adapt_state._replace(step_size=now)))
            after = jnp.where(drawing, learned, state.adapt_state.step_size)
            state = state._replace(adapt_state=state.adapt_state._replace(step_size=after))
            kept = (state.potential_energy, state.z * free, state.accept_prob, state.diverging)
            return state, (kept[0], jnp.vecdot(kept[1], kept[1]), jnp.vecdot(state.z, state.z), *kept[2:])

        return jax.lax.scan(one, first, jnp.arange(settings.steps))[1]

    energy, distance, whole, accepted, diverging = (
        a[:, settings.burn_in :] for a in jax.vmap(chain)(jax.random.split(key, settings.chains))
    )
    excess = (energy - gamma / 2 * distance - (whole - distance) / 2) / n_beta
    excess, distance = (a[:, :: settings.thin] for a in (excess, distance))
    return Steps(excess, distance, jnp.zeros_like(energy[:, ::BIAS_EVERY]), accepted, diverging)
