"""SGLD chains: slt, devinterp's public call, a bare loop around its optimizer, and gradients alone, in turn.

Four chains of 1,000 steps with batches of 128, the same weights, data, step, gamma, temperature and burn-in on every
side. The estimates must agree within five standard errors before the times count.
"""

import warnings
from functools import partial

import arviz_stats  # noqa: F401  (loaded at the first diagnostic otherwise; no side's imports are timed)
import jax
import jax.numpy as jnp
import numpy as np

import slt
from benchmarks.local_models import BATCH, BURN_IN, CHAINS, GAMMA, MODELS, STEPS, problem
from benchmarks.peer import Peer
from benchmarks.table import quick, race, report
from slt.local import Settings

SETTINGS = Settings(chains=CHAINS, burn_in=BURN_IN, draws=STEPS - BURN_IN, batch_size=BATCH)


def loss_of(name):
    def loss(w, batch):
        x, y = batch
        if name.startswith("linear"):
            return 0.5 * ((y - x @ w[0] @ w[1] @ w[2]) ** 2).sum(1).mean()
        if name.startswith("ReLU"):
            out = jax.nn.relu(x @ w[0]) @ w[1]
        elif name.startswith("attention"):  # as in `peers/devinterp.py`
            heat = jax.nn.softmax(x @ (w[0] @ w[1].T) @ x.mT / 4).mean(1, keepdims=True)
            out = (heat @ x)[:, 0] @ w[2] @ w[3]
        else:  # patches and a product: a convolution under `vmap` over its filters takes twice as long
            shifts = [x[:, 0, i : i + 10, j : j + 10].ravel() for i in range(3) for j in range(3)]
            hidden = jnp.stack(shifts, 1) @ w[0].reshape(8, 9).T  # places before filters
            out = jax.nn.relu(hidden).reshape(len(x), 800) @ w[1].reshape(8, 100, 10).swapaxes(0, 1).reshape(800, 10)
        return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1).mean()

    return loss


@partial(jax.jit, static_argnames="loss")
def gradients(key, loss, weights, data):
    """As many gradients of as many batches, descending so that none can be left out, and nothing else."""
    n = len(data[0])

    def one(w, t):
        rows = jax.random.bits(jax.random.fold_in(key, t), (CHAINS, BATCH)) % n  # as cheap as can be
        value, g = jax.vmap(jax.value_and_grad(loss))(w, jax.tree.map(lambda a: a[rows], data))
        return jax.tree.map(lambda a, b: a - 1e-6 * b, w, g), value

    many = jax.tree.map(lambda a: jnp.broadcast_to(a, (CHAINS, *a.shape)), weights)
    return jax.lax.scan(one, many, jnp.arange(STEPS))[1]


def agree(other, ours):
    """Mean losses of the other side's chains beside our estimate; the yardstick has none."""
    if isinstance(other, jax.Array):
        return
    theirs = ours.n * ours.beta * (other - ours.baseline)
    error = np.hypot(ours.se, theirs.std(ddof=1) / np.sqrt(len(theirs)))
    if not abs(theirs.mean() - ours.estimate) < 5 * error:
        raise ValueError(f"the estimates disagree: {theirs.mean():.4g} there, {ours.estimate:.4g} here, ± {error:.2g}.")


def main():
    with Peer("devinterp") as peer:
        for name in list(MODELS)[: 1 if quick() else None]:
            weights, *data = jax.tree.map(jnp.asarray, problem(name))
            ours = partial(
                slt.local_learning_coefficient, jax.random.key(1), loss_of(name), weights, tuple(data),
                step=MODELS[name], gamma=GAMMA, settings=SETTINGS,
            )  # fmt: skip
            contestants = {
                "slt": ours,
                peer.version: peer.call("call", name, 1),
                "its optimizer in a loop": peer.call("loop", name, 1),
                "gradients alone": partial(gradients, jax.random.key(1), loss_of(name), weights, tuple(data)),
            }
            steps = dict.fromkeys(contestants, CHAINS * STEPS)
            task = f"{CHAINS} chains of {STEPS} steps: {name}"
            *rows, bound = race(
                task, contestants, repeats=1 if quick() else 5, work=steps, unit="chain step", check=agree
            )
            report([*rows, bound._replace(note="yardstick: no noise, no estimate")])


if __name__ == "__main__":
    warnings.simplefilter("ignore", slt.SltWarning)
    main()
