r"""Hamiltonian Monte Carlo of fixed length: give the point a push, follow the motion, correct the error."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax

from slt.samplers import _chains
from slt.samplers._chains import State, accept
from slt.triple import Posterior

__all__ = ["init", "leapfrog", "sample", "step"]

GOAL = 0.9  # acceptance, as in slt.nuts
JITTER = 0.3  # share by which each step size is drawn above or below `size`, lest orbits close upon themselves


def init(log_density: Callable[[Any], Any], u: Any) -> State:
    r"""The state of a chain at $u$, with the gradient there.

    **Arguments:** `log_density`: a function of a flat vector, $\log p(u)$ up to a constant. `u`: shape `(d,)`.
    **Returns:** `State(u, log_density, gradient)`.
    **Source:** Neal (2011).

    >>> init(lambda u: -0.5 * (u**2).sum(), jnp.ones(2)).gradient.tolist()
    [-1.0, -1.0]
    """
    return _chains.init(log_density, u)


def leapfrog(
    state: State, momentum: Any, log_density: Callable[[Any], Any], *, size: Any, leapfrogs: int
) -> tuple[State, Any]:
    r"""Some leapfrog steps of Hamilton's equations with energy $H(u, r) = -\log p(u) + \|r\|^2 / 2$.

    $$r \leftarrow r + \tfrac\epsilon2 \nabla \log p(u), \qquad u \leftarrow u + \epsilon r, \qquad
    r \leftarrow r + \tfrac\epsilon2 \nabla \log p(u)$$

    Each of the three is a shear, whose Jacobian determinant is one: volume is kept. With the momentum reversed at the
    end, the same steps lead back to where they started. Energy is kept up to a term of order $\epsilon^2$.

    **Arguments:** `state`: from `init`. `momentum`: $r$, shape `(d,)`. `log_density`: as in `init`. `size`: $\epsilon$.
    `leapfrogs`: number of steps.
    **Returns:** state and momentum at the end.
    **Source:** Neal (2011), section 5.2.

    >>> density = lambda u: -0.5 * (u**2).sum()
    >>> end, r = leapfrog(init(density, jnp.ones(1)), jnp.zeros(1), density, size=0.1, leapfrogs=7)
    >>> back, r = leapfrog(end, -r, density, size=0.1, leapfrogs=7)
    >>> round(float(back.u[0]), 5)
    1.0
    """

    def one(_, state_momentum):
        state, r = state_momentum
        r = r + 0.5 * size * state.gradient
        state = init(log_density, state.u + size * r)
        return state, r + 0.5 * size * state.gradient

    return jax.lax.fori_loop(0, leapfrogs, one, (state, momentum))


def step(
    key: jax.Array, state: State, log_density: Callable[[Any], Any], *, size: Any, leapfrogs: int = 10
) -> tuple[State, Any]:
    r"""One transition of Hamiltonian Monte Carlo.

    $$r \sim N(0, I), \quad (u', r') = \text{leapfrog}(u, r), \qquad
    \alpha = \min\big(1, e^{H(u, r) - H(u', r')}\big)$$

    $(u, r) \mapsto (u', -r')$ is its own inverse and keeps volume, so that it takes $(u, r)$ to $(u', -r')$ as
    probably as back, and Metropolis' ratio of the joint density $e^{-H}$ gives detailed balance on pairs; drawing $r$
    anew keeps its normal distribution. Each transition draws its step size between 0.7 and 1.3 of `size`, whatever the
    state.

    **Arguments:** `key`: a JAX key. `state`: from `init` or an earlier step. `log_density`: as in `init`. `size`:
    $\epsilon$. `leapfrogs`: number of leapfrog steps.
    **Returns:** the next state, and the logarithm of the acceptance ratio (the energy that was lost).
    **Source:** Duane et al. (1987); Neal (2011); Watanabe (2018), section 7.1.

    >>> density = lambda u: -0.5 * (u**2).sum()
    >>> state, log_ratio = step(jax.random.key(0), init(density, jnp.ones(2)), density, size=0.1)
    >>> bool(abs(log_ratio) < 0.01)
    True
    """
    key_momentum, key_size, key_accept = jax.random.split(key, 3)
    r = jax.random.normal(key_momentum, state.u.shape, state.u.dtype)
    size = size * jax.random.uniform(key_size, (), state.u.dtype, 1 - JITTER, 1 + JITTER)
    new, new_r = leapfrog(state, r, log_density, size=size, leapfrogs=leapfrogs)
    log_ratio = new.log_density - 0.5 * (new_r**2).sum() - state.log_density + 0.5 * (r**2).sum()
    return accept(key_accept, log_ratio, new, state), log_ratio


@lru_cache
def of_length(leapfrogs: int) -> Callable[..., Any]:
    """The step with a number of leapfrogs: the same object each time, so that nothing is compiled twice."""
    return partial(step, leapfrogs=leapfrogs)


def sample(
    key: jax.Array, model: Any, *data: Any, beta: float = 1.0, draws: int = 1000, chains: int = 4, leapfrogs: int = 10
) -> Posterior:
    r"""Draws from the posterior at inverse temperature $\beta$ by Hamiltonian Monte Carlo.

    $$p(w \mid X^n) \propto \varphi(w) \prod_i p(X_i \mid w)^\beta$$

    in the unconstrained coordinates of the prior. The step size adapts to 90 % acceptance for 500 transitions, which
    are thrown away, and then stands still. There is one step size for all parameters: scales that differ by orders of
    magnitude need more `leapfrogs`, or `slt.nuts`, which learns them.

    **Arguments:** `key`: a JAX key. `model`: a `Triple`. `data`: `x`, or `x, y`. `draws`: kept per chain. `chains`:
    side by side. `leapfrogs`: steps of each trajectory.
    **Returns:** `Posterior`, as from `slt.nuts`.
    **Raises:** `TypeError` for anything but a `Triple`; `ValueError` for an improper prior, bad data, or a prior that
    never meets the data. Warns (`SltWarning`) as `slt.nuts` does.
    **Source:** Duane et al. (1987); Neal (2011).

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> sample(jax.random.key(0), triple, jnp.array([0.1, -0.3, 0.8]), beta=0.5).log_lik.shape
    (4000, 3)
    """
    _chains.check_whole("leapfrogs", leapfrogs, 1)
    options = {"beta": beta, "draws": draws, "chains": chains, "thin": 1}
    return _chains.sample(key, model, data, step=of_length(leapfrogs), goal=GOAL, energy=True, **options)
