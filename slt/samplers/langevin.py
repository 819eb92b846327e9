r"""The Metropolis-adjusted Langevin algorithm: jumps that lean uphill, corrected by the accept step."""

from collections.abc import Callable
from typing import Any

import jax

from slt.samplers import _chains
from slt.samplers._chains import State, accept
from slt.triple import Posterior

__all__ = ["init", "log_proposal", "sample", "step"]

GOAL = 0.574  # acceptance that is best in many dimensions


def init(log_density: Callable[[Any], Any], u: Any) -> State:
    r"""The state of a chain at $u$, with the gradient there.

    **Arguments:** `log_density`: a function of a flat vector, $\log p(u)$ up to a constant. `u`: shape `(d,)`.
    **Returns:** `State(u, log_density, gradient)`.
    **Source:** Roberts and Tweedie (1996).

    >>> init(lambda u: -0.5 * (u**2).sum(), jnp.ones(2)).gradient.tolist()
    [-1.0, -1.0]
    """
    return _chains.init(log_density, u)


def log_proposal(new: Any, state: State, *, size: Any) -> Any:
    r"""Logarithm of the density of the jump from a state to `new`, up to a constant.

    $$\log q(u' \mid u) = -\frac{\|u' - u - \tfrac{\epsilon^2}{2} \nabla \log p(u)\|^2}{2 \epsilon^2} + \text{const}$$

    **Arguments:** `new`: $u'$, shape `(d,)`. `state`: at $u$. `size`: $\epsilon$.
    **Returns:** a scalar.
    **Source:** Roberts and Tweedie (1996).

    >>> state = init(lambda u: -0.5 * (u**2).sum(), jnp.ones(1))
    >>> round(float(log_proposal(jnp.ones(1), state, size=1.0)), 6)  # -(1/2)^2 / 2
    -0.125
    """
    return -((new - state.u - 0.5 * size**2 * state.gradient) ** 2).sum() / (2 * size**2)


def step(key: jax.Array, state: State, log_density: Callable[[Any], Any], *, size: Any) -> tuple[State, Any]:
    r"""One transition of the Metropolis-adjusted Langevin algorithm.

    $$u' = u + \frac{\epsilon^2}{2} \nabla \log p(u) + \epsilon z, \quad z \sim N(0, I), \qquad
    \alpha(u \to u') = \min\Big(1, \frac{p(u')\, q(u \mid u')}{p(u)\, q(u' \mid u)}\Big)$$

    The jump is a step of the Langevin equation. It leans uphill, so the way there is not as probable as the way back,
    and the ratio must say so: then $p(u)\, q(u' \mid u)\, \alpha(u \to u') = \min(p(u)\, q(u' \mid u),\,
    p(u')\, q(u \mid u'))$ is symmetric in $u$ and $u'$. Without the accept step, as in SGLD, the chain has a posterior
    of its own, off by a term of order $\epsilon^2$.

    **Arguments:** `key`: a JAX key. `state`: from `init` or an earlier step. `log_density`: as in `init`. `size`:
    $\epsilon$.
    **Returns:** the next state, and the logarithm of the acceptance ratio.
    **Source:** Besag (1994); Roberts and Tweedie (1996).

    >>> density = lambda u: -0.5 * (u**2).sum()
    >>> state, log_ratio = step(jax.random.key(0), init(density, jnp.ones(2)), density, size=0.5)
    >>> bool(jnp.isclose(state.log_density, density(state.u)))
    True
    """
    key_jump, key_accept = jax.random.split(key)
    noise = jax.random.normal(key_jump, state.u.shape, state.u.dtype)
    new = init(log_density, state.u + 0.5 * size**2 * state.gradient + size * noise)
    back, there = log_proposal(state.u, new, size=size), log_proposal(new.u, state, size=size)
    log_ratio = new.log_density - state.log_density + back - there
    return accept(key_accept, log_ratio, new, state), log_ratio


def sample(
    key: jax.Array, model: Any, *data: Any, beta: float = 1.0, draws: int = 1000, chains: int = 4, thin: int = 10
) -> Posterior:
    r"""Draws from the posterior at inverse temperature $\beta$ by the Metropolis-adjusted Langevin algorithm.

    $$p(w \mid X^n) \propto \varphi(w) \prod_i p(X_i \mid w)^\beta$$

    in the unconstrained coordinates of the prior. The step size adapts to 57 % acceptance for 500 rounds of `thin`
    steps, which are thrown away, and then stands still.

    **Arguments:** `key`: a JAX key. `model`: a `Triple`. `data`: `x`, or `x, y`. `draws`: kept per chain. `chains`:
    side by side. `thin`: steps for each kept draw.
    **Returns:** `Posterior`, as from `slt.nuts`.
    **Raises:** `TypeError` for anything but a `Triple`; `ValueError` for an improper prior, bad data, or a prior that
    never meets the data. Warns (`SltWarning`) as `slt.nuts` does.
    **Source:** Roberts and Tweedie (1996); Roberts and Rosenthal (1998) for the acceptance.

    >>> import numpyro.distributions as dist
    >>> from slt import Triple
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> sample(jax.random.key(0), triple, jnp.array([0.1, -0.3, 0.8]), beta=0.5).log_lik.shape
    (4000, 3)
    """
    options = {"beta": beta, "draws": draws, "chains": chains, "thin": thin}
    return _chains.sample(key, model, data, step=step, goal=GOAL, **options)
