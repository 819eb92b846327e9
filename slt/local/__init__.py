r"""The local learning coefficient of any JAX loss at any parameter, by Langevin chains (floor 3).

`slt.local_learning_coefficient` is the front door. `Settings` says how the chains run; an `Estimate` comes back, with
`check()` for its verdict. `sweep` repeats it over steps and localizations; `quadratic_expectation` is the exact value
where the loss is quadratic.

A Flax or Haiku tree is `params` as it is. Of an Equinox module they are the arrays, `params, rest =
eqx.partition(model, eqx.is_array)`, and the loss calls `eqx.combine(params, rest)`. A PyTorch network comes over as its
arrays, and its forward pass is written again in JAX; `loss` must give at $w^*$ what PyTorch gives there::

    w = {name: a.detach().numpy() for name, a in model.state_dict().items()}  # Linear(3, 4), Tanh(), Linear(4, 2)

    def loss(w, batch):  # PyTorch stores a layer as (out, in)
        x, y = batch
        hidden = jnp.tanh(x @ w["0.weight"].T + w["0.bias"])
        return 0.5 * ((y - hidden @ w["2.weight"].T - w["2.bias"]) ** 2).sum(1).mean()

The chains run under `jax.vmap`, which makes the filters of a convolution a batch; on a CPU such a convolution takes
more than twice as long as patches of the input times a matrix of filters.
"""

from slt.local.estimate import local_learning_coefficient
from slt.local.grid import Sweep, sweep
from slt.local.result import Estimate
from slt.local.settings import Settings
from slt.local.theory import quadratic_expectation

__all__ = ["Estimate", "Settings", "Sweep", "local_learning_coefficient", "quadratic_expectation", "sweep"]
