"""blackjax 1.7: adaptive tempered SMC whose HMC is tuned from the particles, the whole ladder in one compiled loop."""

from functools import lru_cache

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.smc import extend_params, resampling
from blackjax.smc.tuning.from_particles import particles_stds

from benchmarks.energy_models import TARGETS

jax.config.update("jax_enable_x64", True)
SHARE, MOVES, LEAPFROGS = 0.5, 5, 5


def version():
    return f"blackjax {blackjax.__version__}"


def algorithm(target, step):
    return blackjax.adaptive_tempered_smc, dict(
        logprior_fn=target.log_prior,
        loglikelihood_fn=target.log_lik,
        mcmc_step_fn=blackjax.hmc.build_kernel(),
        mcmc_init_fn=blackjax.hmc.init,
        resampling_fn=resampling.systematic,
        target_ess=SHARE,
    )


@lru_cache(maxsize=16)
def program(name, particles, loop):
    target = TARGETS[name]

    def parameters(u):
        scale = particles_stds(u)
        return extend_params(
            {
                "step_size": 0.5 * target.dimension**-0.25,
                "inverse_mass_matrix": scale**2,
                "num_integration_steps": LEAPFROGS,
            }
        )

    smc, settings = algorithm(target, None)
    tuned = blackjax.inner_kernel_tuning(
        smc_algorithm=smc,
        mcmc_parameter_update_fn=lambda key, state, info: parameters(state.particles),
        initial_parameter_value=parameters(jax.vmap(target.draw_prior)(jax.random.split(jax.random.key(0), 100))),
        num_mcmc_steps=MOVES,
        **settings,
    )

    def start(key):
        u = jax.vmap(target.draw_prior)(jax.random.split(key, particles))
        state = tuned.init(u)
        return state._replace(parameter_override=parameters(u))

    def step(carry):
        state, log_z, key = carry
        key, now = jax.random.split(key)
        state, info = tuned.step(now, state)
        return state, log_z + info.log_likelihood_increment, key

    def unfinished(carry):
        return carry[0].sampler_state.tempering_param < 1

    if loop:
        begin, again = jax.jit(start), jax.jit(step)

        def run(key):
            carry = begin(key), jnp.zeros(()), key
            while unfinished(carry):
                carry = again(carry)
            return carry[1]

        return run
    return jax.jit(lambda key: jax.lax.while_loop(unfinished, step, (start(key), jnp.zeros(()), key))[1])


def smc(name, seed, particles=1000, loop=False):
    return float(program(name, particles, bool(loop))(jax.random.key(seed)))


def loop(name, seeds, particles=1000):
    """A loop over seeds of a loop over its steps."""
    return np.array([smc(name, s, particles, True) for s in range(seeds)])
