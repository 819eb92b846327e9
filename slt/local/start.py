r"""What is measured at $w^*$ before the chains start: the loss, its gradient, and whether it is a mean at all."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

BLOCK = 1024  # observations at a time where a quantity of all the data is wanted beside batches
DESCENT = (1.0, 4.0, 16.0, 64.0)  # multiples of the sampler's own drift along which a lower loss is looked for


class Start(NamedTuple):
    """Figures at $w^*$; `rows` holds each observation's loss where batches need it, or is empty."""

    baseline: Any
    rows: Any
    gradient_norm: Any
    descent: Any
    few: Any  # loss of a few observations together and the mean of their single losses, at w* and beside it
    singles: Any
    scale: Any  # mean absolute single loss


def scalar_loss(loss: Any, params: Any, batch: Any) -> Any:
    """The loss, or a `ValueError` where it is not one number."""
    value = jnp.asarray(loss(params, batch))
    if value.shape != ():
        raise ValueError(
            f"loss(params, batch) must return one number, the mean loss per observation in nats; got shape "
            f"{value.shape}. Take .mean() of it."
        )
    return value


# It runs once: unoptimized code compiles in little more than half the time and costs a few milliseconds.
@partial(jax.jit, static_argnames=("loss", "batches"), compiler_options={"xla_backend_optimization_level": 0})
def start(loss: Any, batches: bool, params: Any, data: Any, mask: Any, drift: Any) -> Start:
    r"""Everything about $w^*$ in one program; `drift` is $\varepsilon n \beta / 2$."""
    n = jax.tree.leaves(data)[0].shape[0]
    centre, unravel = ravel_pytree(params)
    free = 1.0 if mask is None else ravel_pytree(mask)[0].astype(centre.dtype)
    at = lambda x, batch: scalar_loss(loss, unravel(centre + x), batch)  # noqa: E731
    zero = jnp.zeros_like(centre)
    size = _block(n) if batches else n
    baseline, gradient = _mean_over(lambda batch: jax.value_and_grad(at)(zero, batch), data, size)
    gradient = gradient * free
    fall = lambda m: baseline - _mean_over(lambda batch: at(-m * drift * gradient, batch), data, size)  # noqa: E731
    falls = jax.lax.map(fall, jnp.array(DESCENT, dtype=centre.dtype))
    descent = jnp.where(falls > 0, falls, 0).max()
    single = lambda x: lambda row: at(x, jax.tree.map(lambda a: a[None], row))  # noqa: E731
    rows = jax.lax.map(single(zero), data, batch_size=size) if batches else jnp.zeros((0,), baseline.dtype)
    some = jax.tree.map(lambda a: a[:8], data)
    beside = jnp.stack([zero, 0.01 * jnp.cos(jnp.arange(zero.size, dtype=zero.dtype))])
    few = jax.vmap(lambda x: at(x, some))(beside)
    singles = jax.vmap(lambda x: jax.vmap(single(x))(some))(beside)
    kind = few, singles.mean(1), abs(singles).mean(1)
    return Start(baseline, rows, jnp.linalg.norm(gradient), descent, *kind)


def _block(n: int) -> int:
    """A size of blocks that leaves no rest, whose own copy of the loss would be compiled too; else `BLOCK` with one."""
    even = max(size for size in range(1, min(n, BLOCK) + 1) if n % size == 0)
    return even if even >= BLOCK // 4 or even == n else BLOCK


def _mean_over(function: Any, data: Any, size: int) -> Any:
    """The mean over all observations of a function of a batch that is itself a mean, `size` observations at a time."""
    n = jax.tree.leaves(data)[0].shape[0]
    blocks, rest = divmod(n, size)
    if blocks <= 1 and not rest:
        return function(data)
    total = 0.0
    if blocks:
        head = jax.tree.map(lambda a: a[: blocks * size].reshape(blocks, size, *a.shape[1:]), data)
        total = jax.tree.map(lambda a: a.sum(0) * (size / n), jax.lax.map(function, head))
    if rest:
        tail = jax.tree.map(lambda a: a * (rest / n), function(jax.tree.map(lambda a: a[blocks * size :], data)))
        total = jax.tree.map(jnp.add, total, tail) if blocks else tail
    return total
