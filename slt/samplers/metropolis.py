r"""Random walk Metropolis: propose a normal jump, keep it if the density rises, or by chance."""

from collections.abc import Callable
from typing import Any

import jax

from slt.samplers import _chains
from slt.samplers._chains import State, accept
from slt.triple import Posterior

__all__ = ["init", "sample", "step"]

GOAL = 0.3  # acceptance: 0.44 is best in one dimension, 0.234 in many


def init(log_density: Callable[[Any], Any], u: Any) -> State:
    r"""The state of a chain at $u$.

    **Arguments:** `log_density`: a function of a flat vector, $\log p(u)$ up to a constant. `u`: shape `(d,)`.
    **Returns:** `State(u, log_density, gradient)`, here without a gradient.
    **Source:** Metropolis et al. (1953).

    >>> init(lambda u: -0.5 * (u**2).sum(), jnp.ones(2)).log_density.item()
    -1.0
    """
    return _chains.init(log_density, u, slope=False)


def step(key: jax.Array, state: State, log_density: Callable[[Any], Any], *, size: Any) -> tuple[State, Any]:
    r"""One transition of random walk Metropolis.

    $$u' = u + \epsilon z, \quad z \sim N(0, I), \qquad
    \alpha(u \to u') = \min\Big(1, \frac{p(u')}{p(u)}\Big)$$

    The jump there is as probable as the jump back, $q(u' \mid u) = q(u \mid u')$, and so
    $p(u)\, q(u' \mid u)\, \alpha(u \to u') = q(u' \mid u) \min(p(u), p(u'))$ is the same when $u$ and $u'$ change
    places. This is detailed balance; summed over $u$ it says that $p$ stays as it is.

    **Arguments:** `key`: a JAX key. `state`: from `init` or an earlier step. `log_density`: as in `init`. `size`:
    $\epsilon$.
    **Returns:** the next state, and the logarithm of the acceptance ratio.
    **Source:** Metropolis et al. (1953); Watanabe (2018), section 7.1.

    >>> density = lambda u: -0.5 * (u**2).sum()
    >>> state, log_ratio = step(jax.random.key(0), init(density, jnp.ones(2)), density, size=0.5)
    >>> bool(jnp.isclose(state.log_density, density(state.u)))
    True
    """
    key_jump, key_accept = jax.random.split(key)
    new = init(log_density, state.u + size * jax.random.normal(key_jump, state.u.shape, state.u.dtype))
    log_ratio = new.log_density - state.log_density
    return accept(key_accept, log_ratio, new, state), log_ratio


def sample(
    key: jax.Array, model: Any, *data: Any, beta: float = 1.0, draws: int = 1000, chains: int = 4, thin: int = 20
) -> Posterior:
    r"""Draws from the posterior at inverse temperature $\beta$ by random walk Metropolis.

    $$p(w \mid X^n) \propto \varphi(w) \prod_i p(X_i \mid w)^\beta$$

    in the unconstrained coordinates of the prior. The jump size adapts to 30 % acceptance for 500 rounds of `thin`
    steps, which are thrown away, and then stands still.

    **Arguments:** `key`: a JAX key. `model`: a `Triple`. `data`: `x`, or `x, y`. `draws`: kept per chain. `chains`:
    side by side. `thin`: steps for each kept draw.
    **Returns:** `Posterior`, as from `slt.nuts`.
    **Raises:** `TypeError` for anything but a `Triple`; `ValueError` for an improper prior, bad data, or a prior that
    never meets the data. Warns (`SltWarning`) as `slt.nuts` does.
    **Source:** Metropolis et al. (1953); Roberts, Gelman and Gilks (1997) for the acceptance.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> sample(jax.random.key(0), triple, jnp.array([0.1, -0.3, 0.8]), beta=0.5).log_lik.shape
    (4000, 3)
    """
    options = {"beta": beta, "draws": draws, "chains": chains, "thin": thin}
    return _chains.sample(key, model, data, step=step, goal=GOAL, slope=False, **options)
