"""SGLD chains: slt, devinterp's public call, a bare loop around its optimizer, and gradients alone, in turn.

The other package lives in an environment of its own: SLT_PEER_PYTHON is its Python (`pip install devinterp`).
"""

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from local_models import BATCH, BURN_IN, CHAINS, GAMMA, MODELS, STEPS, problem

import slt
from slt.local import Settings

REPEATS = int(os.environ.get("SLT_BENCH_REPEATS", "5"))
SETTINGS = Settings(chains=CHAINS, burn_in=BURN_IN, draws=STEPS - BURN_IN, batch_size=BATCH)


def loss_of(name):
    def loss(w, batch):
        x, y = batch
        if name.startswith("linear"):
            return 0.5 * ((y - x @ w[0] @ w[1] @ w[2]) ** 2).sum(1).mean()
        if name.startswith("ReLU"):
            out = jax.nn.relu(x @ w[0]) @ w[1]
        else:
            hidden = jax.lax.conv(x, w[0], (1, 1), "VALID")
            out = jax.nn.relu(hidden).reshape(len(x), -1) @ w[1]
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


def timed(run):
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def main():
    python = os.environ.get("SLT_PEER_PYTHON")
    if not python:
        sys.exit("bench_local.py wants SLT_PEER_PYTHON, a Python with devinterp; its rows are left out otherwise.")
    warnings.simplefilter("ignore", slt.SltWarning)
    peer = subprocess.Popen(
        [python, Path(__file__).with_name("peer_devinterp.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def ask(kind, name, seed):
        peer.stdin.write(json.dumps([kind, name, seed]) + "\n")
        peer.stdin.flush()
        seconds, trace = json.loads(peer.stdout.readline())
        return seconds, np.array(trace)

    versions = json.loads(peer.stdout.readline()) | {k: version(k) for k in ("slt-textbook", "jax")}
    print(", ".join(f"{k} {v}" for k, v in versions.items()), f"; {CHAINS} chains x {STEPS} steps, batch {BATCH}")
    wanted = sys.argv[1:] or list(MODELS)
    for name in [m for m in MODELS if any(m.startswith(w) for w in wanted)]:
        weights, x, y = problem(name)
        weights, data, loss = jax.tree.map(jnp.asarray, weights), (jnp.asarray(x), jnp.asarray(y)), loss_of(name)

        def ours(seed, loss=loss, weights=weights, data=data, name=name):
            return slt.local_learning_coefficient(
                jax.random.key(seed), loss, weights, data, step=MODELS[name], gamma=GAMMA, settings=SETTINGS
            )

        def alone(seed, loss=loss, weights=weights, data=data):
            return jax.block_until_ready(gradients(jax.random.key(seed), loss, weights, data))

        cold, fit = timed(lambda: ours(0))
        timed(partial(alone, 0))
        n_beta, baseline = fit.n * fit.beta, fit.baseline
        times = {k: [] for k in ("slt", "devinterp", "its optimizer in a loop", "gradients alone")}
        estimates = {k: [] for k in list(times)[:3]}
        for seed in range(1, REPEATS + 1):
            seconds, fit = timed(lambda seed=seed: ours(seed))
            times["slt"].append(seconds)
            estimates["slt"].extend(fit.per_chain)
            for kind, label in (("call", "devinterp"), ("loop", "its optimizer in a loop")):
                seconds, trace = ask(kind, name, seed)
                times[label].append(seconds)
                estimates[label].extend(n_beta * (trace - baseline))
            times["gradients alone"].append(timed(partial(alone, seed))[0])
        print(f"{name}: slt with compilation {cold:.2f} s, {CHAINS * STEPS / cold:.0f} chain steps a second")
        medians = {k: statistics.median(t) for k, t in times.items()}
        for label, seconds in medians.items():
            e = np.array(estimates.get(label, [np.nan, np.nan]))
            print(
                f"  {label:24s} {seconds:8.3f} s {CHAINS * STEPS / seconds:9.0f} chain steps/s "
                f"{seconds / medians['slt']:6.1f} x slt, {seconds / cold:5.1f} x with compilation; "
                f"estimate {e.mean():.3f} ± {e.std(ddof=1) / np.sqrt(len(e)):.3f}",
                flush=True,
            )
    peer.stdin.close()
    peer.wait()


if __name__ == "__main__":
    main()
