r"""Gibbs sampling: draw each block of parameters from its exact distribution given all the others."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._nodes import check_key
from slt.samplers import _chains
from slt.samplers._mixture import NormalMixture
from slt.samplers._reduced_rank import ReducedRank
from slt.triple import Posterior

__all__ = ["NormalMixture", "ReducedRank", "run", "sample", "step"]


def step(key: jax.Array, w: Mapping[str, Any], model: Any, *data: Any, beta: Any = 1.0) -> dict[str, Any]:
    r"""One sweep of the Gibbs sampler: every block of the model once, in turn.

    $$w_1 \sim p(w_1 \mid w_2, X^n), \qquad w_2 \sim p(w_2 \mid w_1, X^n)$$

    Drawing $w_1$ from its conditional distribution leaves that of $(w_1, w_2)$ as it is: it is Metropolis with the
    ratio $\frac{p(w_1', w_2)\, p(w_1 \mid w_2)}{p(w_1, w_2)\, p(w_1' \mid w_2)} = 1$, which always accepts. The
    conditionals stand in the models' own docstrings.

    **Arguments:** `key`: a JAX key. `w`: name to value. `model`: a `NormalMixture` or a `ReducedRank`. `data`: `x`, or
    `x, y`. `beta`: inverse temperature.
    **Returns:** the next `w`.
    **Source:** Geman and Geman (1984); Watanabe (2018), section 7.2.

    >>> w = step(jax.random.key(0), {"a": jnp.array(0.5), "b": jnp.zeros(2)}, NormalMixture(), jnp.array([-1.0, 2.0]))
    >>> w["b"].shape
    (2,)
    """
    return model.sweep(key, w, data, beta)


@partial(jax.jit, static_argnames=("model", "draws", "chains", "thin"))
def run(
    key: jax.Array, data: Any, *, model: Any, beta: Any = 1.0, draws: int = 1000, chains: int = 4, thin: int = 5
) -> Any:
    r"""The chains alone: the pure core of `sample`, for `jit` and for `vmap` over data sets.

    $$w^{(1)}, w^{(2)}, \dots \quad\text{with}\quad w^{(t+1)} = \text{sweep}^{\text{thin}}(w^{(t)})$$

    **Arguments:** as in `sample`; `data` is a tuple of floating arrays. Nothing is checked and nothing is judged.
    **Returns:** name to array `(chains, draws, ...)`.
    **Source:** Geman and Geman (1984).

    >>> x, y = jnp.zeros((7, 5, 3)), jnp.zeros((7, 5, 2))  # seven data sets
    >>> keys, model = jax.random.split(jax.random.key(0), 7), ReducedRank(rank=1)
    >>> jax.vmap(lambda key, *data: run(key, data, model=model, draws=8, chains=2))(keys, x, y)["B"].shape
    (7, 2, 8, 2, 1)
    """

    def round_(w, key):
        def sweep(w, key):
            return step(key, w, model, *data, beta=beta), None

        w, _ = jax.lax.scan(sweep, w, jax.random.split(key, thin))
        return w, w

    def chain(key):
        key_start, key_rounds = jax.random.split(key)
        keys = jax.random.split(key_rounds, _chains.WARMUP + draws)
        _, w = jax.lax.scan(round_, model.draw_prior(key_start, data), keys)
        return jax.tree.map(lambda a: a[_chains.WARMUP :], w)

    keys = jax.random.split(key, chains)
    if chains == 1:  # without a second batch axis beside that of the data sets: compiled in half the time
        return jax.tree.map(lambda a: a[None], chain(keys[0]))
    return jax.vmap(chain)(keys)


def sample(
    key: jax.Array, model: Any, *data: Any, beta: float = 1.0, draws: int = 1000, chains: int = 4, thin: int = 5
) -> Posterior:
    r"""Draws from the posterior of a model whose conditional distributions are known.

    $$p(w \mid X^n) \propto \varphi(w) \prod_i p(X_i \mid w)^\beta$$

    Chains start from draws of the prior; 500 rounds of `thin` sweeps are thrown away.

    **Arguments:** `key`: a JAX key. `model`: a `NormalMixture` or a `ReducedRank`, which say what `beta` may be.
    `data`: `x`, or `x, y`. `draws`: kept per chain. `chains`: side by side. `thin`: sweeps for each kept draw.
    **Returns:** `Posterior`, as from `slt.nuts`.
    **Raises:** `TypeError` for any other model; `ValueError` for data of the wrong shape or not finite, and for a
    mixture at $\beta \neq 1$. Warns (`SltWarning`) as `slt.nuts` does: the labels of a well separated mixture are not
    crossed.
    **Source:** Geman and Geman (1984); Watanabe (2018), section 7.2.

    >>> sample(jax.random.key(0), NormalMixture(sd=2.0), jnp.array([0.1, -0.3, 0.8]), thin=20).draws["b"].shape
    (4000, 2)
    """
    check_key(key)
    if not isinstance(model, NormalMixture | ReducedRank):
        raise TypeError(
            f"gibbs wants a NormalMixture or a ReducedRank, whose conditional distributions are known; got "
            f"{type(model).__name__}. slt.samplers.hmc takes any Triple."
        )
    _chains.check(beta, draws=draws, chains=chains, thin=thin)
    arrays = tuple(jnp.asarray(a, float) for a in data)
    for position, a in enumerate(arrays):
        if bad := int((~np.isfinite(np.asarray(a))).sum()):
            raise ValueError(f"data array {position}: {bad} of {a.size} entries are NaN or infinite. Drop them.")
    model.check(arrays, beta)
    w = run(key, arrays, model=model, beta=jnp.asarray(beta, float), draws=draws, chains=chains, thin=thin)
    flat = {name: a.reshape(-1, *a.shape[2:]) for name, a in w.items()}
    return _chains.judge(model.triple(*arrays), flat, arrays, beta=beta, chains=chains)
