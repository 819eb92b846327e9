"""How the cost grows: measured exponents of seconds in observations, draws, data sets, chains and parameters.

`python -m benchmarks.scaling` prints the table of `README.md` under its date and machine and draws `scaling.png` beside
it. An exponent is the slope of log seconds on log size over the last three of four sizes, each twice the one before; a
call's fixed cost pulls it below its limit. Memory is what a call takes beyond its input, at the largest size.
"""

import datetime
import statistics
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist

import slt
from benchmarks.run import machine
from benchmarks.table import quick, timed
from slt.local import Settings

REPEATS = 3 if quick() else 5
FACTORS = (1, 2, 4, 8)
FIGURE = Path(__file__).with_name("scaling.png")


class Task(NamedTuple):
    """A function, the axis along which its work grows, the first size, and what makes a call of a size."""

    name: str
    axis: str
    first: int
    prepare: Callable[[int], Callable[[], Any]]


class Growth(NamedTuple):
    """What was measured for a task."""

    task: Task
    sizes: list[int]
    seconds: list[float]
    memory: float | None

    @property
    def exponent(self) -> float:
        """The slope over the last three sizes."""
        return float(np.polyfit(np.log(self.sizes[1:]), np.log(self.seconds[1:]), 1)[0])


def on_matrix(function: Callable[[Any], Any], draws: int = 4000, n: int = 4000) -> Callable[[], Any]:
    """A criterion of a matrix in float32, which is made outside the clock."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=n).astype(np.float32), (0.2 * rng.normal(size=(draws, 1))).astype(np.float32)
    return partial(function, np.float32(-0.5) * (x - w) ** 2)


def streamed(n: int) -> Callable[[], Any]:
    """The criteria where the log-likelihood is a function."""
    w = jnp.asarray(0.2 * np.random.default_rng(1).normal(size=(4000, 1)), jnp.float32)
    x = np.random.default_rng(2).normal(size=n).astype(np.float32)
    log_lik = jax.jit(lambda x: -0.5 * (x - w) ** 2)
    return lambda: slt.stream_criteria(log_lik, x)


def regression(x: Any, y: Any = None) -> None:
    """A linear regression with known noise."""
    w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)


def with_regression(
    function: Callable[..., Any], n: int = 500, parameters: int = 4, **options: Any
) -> Callable[[], Any]:
    """A call `function(key, model, x, y)` on data of the regression."""
    rng = np.random.default_rng(3)
    x = jnp.asarray(rng.normal(size=(n, parameters)))
    return partial(function, jax.random.key(1), regression, x, x.sum(1) + rng.normal(size=n))


def on_data_sets(datasets: int) -> Callable[[], Any]:
    """Chains at two temperatures on many data sets."""
    model = slt.zoo.normal()  # the same object in every call: another one would be compiled anew
    return lambda: slt.replicate(jax.random.key(1), model, 50, datasets=datasets)


def on_network(width: int = 32, chains: int = 4) -> Callable[[], Any]:
    """The local coefficient of a linear network 10-width-10 at its own weights; 20 width parameters."""
    rng = np.random.default_rng(4)
    params = [jnp.asarray(rng.normal(size=s) / 4) for s in ((10, width), (width, 10))]
    x = jnp.asarray(rng.normal(size=(1000, 10)))
    y = x @ params[0] @ params[1] + 0.1 * rng.normal(size=(1000, 10))
    loss = lambda w, batch: 0.5 * ((batch[1] - batch[0] @ w[0] @ w[1]) ** 2).sum(1).mean()  # noqa: E731
    settings = Settings(chains=chains, burn_in=500, draws=500, batch_size=100)
    call = slt.local_learning_coefficient
    return partial(call, jax.random.key(1), loss, params, (x, y), step=1e-5, settings=settings)


TASKS = [
    Task("slt.criteria", "observations", 5000, lambda n: on_matrix(slt.criteria, n=n)),
    Task("slt.criteria", "draws", 5000, lambda s: on_matrix(slt.criteria, draws=s)),
    Task("slt.cv_loss, smoothed", "observations", 1000, lambda n: on_matrix(slt.cv_loss, n=n)),
    Task("slt.cv_loss, smoothed", "draws", 1000, lambda s: on_matrix(slt.cv_loss, draws=s)),
    Task("slt.stream_criteria", "observations", 20000, streamed),
    Task("slt.replicate", "data sets", 25, on_data_sets),
    Task("slt.free_energy", "observations", 1000, lambda n: with_regression(slt.free_energy, n=n)),
    Task("slt.free_energy", "parameters", 4, lambda d: with_regression(slt.free_energy, parameters=d)),
    Task("slt.local_learning_coefficient", "chains", 4, lambda c: on_network(chains=c)),
    Task("slt.local_learning_coefficient", "parameters", 640, lambda d: on_network(width=d // 20)),
]


def measure(task: Task) -> Growth:
    """Seconds of a task at four sizes, medians after the call that compiles, and the memory of the largest."""
    sizes, seconds, memory = [task.first * k for k in FACTORS], [], None
    for size in sizes:
        call = task.prepare(size)
        call()  # compiles
        found = [timed(lambda call=call: jax.block_until_ready(call())) for _ in range(REPEATS)]
        seconds.append(statistics.median(run.seconds for run in found))
        memory = max((run.memory for run in found if run.memory is not None), default=None)
    return Growth(task, sizes, seconds, memory)


def table(rows: Iterable[Growth]) -> Iterator[str]:
    """Markdown, a line for each task."""
    yield "| function | grows | exponent | from | to | seconds at the last | extra memory |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for row in rows:
        memory = "" if row.memory is None else f"{row.memory:.0f} MB"
        cells = (row.task.name, row.task.axis, f"{row.exponent:.2f}", row.sizes[0], row.sizes[-1])
        yield "| `{}` | {} | {} | {} | {} |".format(*cells) + f" {row.seconds[-1]:.3g} | {memory} |"


def draw(rows: list[Growth]) -> None:
    """Seconds against size, both relative to the first, a panel for each axis; a dotted line has the exponent one."""
    axes = list(dict.fromkeys(row.task.axis for row in rows))
    figure, panels = plt.subplots(1, len(axes), figsize=(3 * len(axes), 3.4), sharey=True, layout="constrained")
    for axis, panel in zip(axes, panels, strict=True):
        panel.plot(FACTORS, FACTORS, ":", color="0.5")
        for row in (row for row in rows if row.task.axis == axis):
            label = f"{row.task.name.removeprefix('slt.')}: {row.exponent:.2f}"
            panel.plot(FACTORS, np.array(row.seconds) / row.seconds[0], "o-", label=label)
        panel.set(xscale="log", yscale="log", title=axis, xlabel="size / first size")
        panel.set_xticks(FACTORS, labels=FACTORS)
        panel.xaxis.minorticks_off()
        panel.legend(frameon=False, fontsize=7)
    panels[0].set_ylabel("seconds / first seconds")
    figure.savefig(FIGURE, dpi=110)


def main() -> int:
    warnings.simplefilter("ignore", slt.SltWarning)  # chains are timed here, not judged
    rows = []
    for task in TASKS:
        rows.append(measure(task))
        print(f"{task.name} in {task.axis}: {rows[-1].exponent:.2f}", file=sys.stderr, flush=True)
    print(f"`python -m benchmarks.scaling`, float32, {datetime.date.today():%-d %B %Y}, {machine()}:\n")
    print("\n".join(table(rows)))
    if not quick():
        draw(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
