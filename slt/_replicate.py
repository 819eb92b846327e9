r"""Any triple on many data sets: errors, WBIC and coefficients of each; resumable, on all devices (floor 6)."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import MeanSE, SltWarning, check_beta, mean_se
from slt._nodes import check_key, check_whole
from slt._processes import check_alike, gather
from slt._program import ESS, LONGER, RHAT, program
from slt._store import Store
from slt._target import Same
from slt._work import on_devices, progress
from slt.triple import Triple
from slt.zoo import Specimen

CHUNK = 25  # data sets of one program: enough to fill the cores, few enough that a kill loses little


@dataclass(frozen=True)
class Replicated:
    r"""What the theory speaks of, for each of $R$ data sets: arrays of shape `(R,)`.

    **Arguments:** errors in nats per observation, relative to the truth: `generalization_error` $G_n - S$,
    `training_error` $T_n - S_n$, `cv_error` $C_n - S_n$, `waic_error` $W_n - S_n$, `gibbs_generalization_error`
    $\mathbb{E}_w[K(w)]$ and `gibbs_training_error` $\mathbb{E}_w[K_n(w)]$. `functional_variance` $V_n$ in nats².
    `empirical_entropy` $S_n$. `free_energy_excess` $F_n(\beta) - nS_n$ in nats, `nan` if not asked for. At
    $\beta_1 = 1/\log n$: `wbic_excess`, WBIC $- nS_n$, in nats, and `rlct` $\hat\lambda = \beta_1^2
    \mathbb{V}_w[nL_n]$. `singular_fluctuation` $\hat\nu = \beta V_n/2$. `rhat`, `ess`: the worst of $nL_n$ at both
    temperatures and of the draws' terms of $V_n$. `redrawn`: how often the chains were drawn again. `n`, `beta`: of the
    experiment.
    **Source:** Watanabe (2018), sections 1.6 and 6.3.

    >>> found = Replicated(**dict.fromkeys(NAMES, np.array([1.0, 3.0])), n=10, beta=1.0)
    >>> found.mean("rlct")
    MeanSE(mean=2.0, se=1.0)
    """

    generalization_error: Any
    training_error: Any
    cv_error: Any
    waic_error: Any
    gibbs_generalization_error: Any
    gibbs_training_error: Any
    functional_variance: Any
    empirical_entropy: Any
    free_energy_excess: Any
    wbic_excess: Any
    rlct: Any
    singular_fluctuation: Any
    rhat: Any
    ess: Any
    redrawn: Any
    n: int
    beta: float

    def __repr__(self) -> str:
        """One line for each quantity: mean and standard error over data sets; of the diagnostics the worst."""
        every = len(np.asarray(self.rlct))
        lines = [f"{every} data sets of n={self.n}, beta={self.beta:.4g}: mean ± se"]
        for name in NAMES:
            a = np.asarray(getattr(self, name), float)
            known = a[np.isfinite(a)]
            if name in WORST:
                worst, text = WORST[name]
                lines.append(f"{name:<29}{text.format(worst(a))}")
            elif known.size:
                value = str(mean_se(known)) if known.size > 1 else f"{known[0]:.4f}"
                lines.append(f"{name:<29}{value}{'' if known.size == every else f' ({known.size} of {every})'}")
        return "\n".join(lines)

    def mean(self, name: str) -> MeanSE:
        """The mean over data sets with its standard error."""
        return mean_se(getattr(self, name))

    def correlation(self, one: str, other: str) -> float:
        """The correlation of two columns over data sets."""
        return float(np.corrcoef(getattr(self, one), getattr(self, other))[0, 1])

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Mean, standard deviation over data sets (`ddof=1`) and standard error of the mean, by name."""
        found = {name: np.asarray(getattr(self, name), float) for name in NAMES}
        return {k: (a.mean(), a.std(ddof=1), a.std(ddof=1) / np.sqrt(len(a))) for k, a in found.items()}


NAMES = tuple(Replicated.__dataclass_fields__)[:-2]
WORST = {
    "rhat": (np.max, "at most {:.3f}"),
    "ess": (np.min, "at least {:.0f}"),
    "redrawn": (np.count_nonzero, "{} in all"),
}


def replicate(
    key: jax.Array,
    model: Any,
    n: int,
    *,
    datasets: int = 100,
    beta: float = 1.0,
    sampler: Callable[..., Mapping[str, Any]] | None = None,
    free_energy: bool = False,
    store: Any = None,
) -> Replicated:
    r"""Errors, WBIC, $\hat\lambda$ and $\hat\nu$ of any triple on many data sets.

    $$X^n_{(r)} \sim q, \qquad w \sim p_\beta(w \mid X^n_{(r)}), \qquad r = 1, \dots, R$$

    Hamiltonian Monte Carlo of a fixed length runs for 25 data sets and four chains of each side by side, in one
    compiled program. Data sets whose chains do not mix, or where more than 1 % of the trajectories diverge, are drawn
    again by the No-U-Turn sampler, and where those do not mix, once more four times as long. Chunks of 25 are spread
    over the local devices, for each of which the program is compiled, and over the processes that `jax.distributed` has
    joined: each calls `replicate` alike and gets all figures, which depend on neither number.

    **Arguments:** `key`: a JAX key; data set r depends on it and on r alone. `model`: a `Triple` or a zoo's `Specimen`;
    pass the same object again and nothing is compiled again. `n`: observations per data set, at least 3. `datasets`:
    $R$. `beta`: inverse temperature. `sampler`: `None`, or a function `(key, data, beta=)` to draws by name `(chains,
    draws, ...)` that `vmap` can run, such as `functools.partial(slt.samplers.gibbs.run, model=...)`. `free_energy`:
    whether to climb a ladder for $F_n$ too (`slt.tempered_smc`, tenths of a second each). `store`: a folder; chunks are
    written there as they finish, and a run that was killed goes on from them to the same figures.
    **Returns:** `Replicated`. The generalization error is a sum over nodes where the truth has one dimension; else an
    average over 2000 new observations, with $p^*/q - 1$ as a control variate where model and truth have the same
    support, so that its expectation is zero.
    **Raises:** `ValueError` for sizes that are not whole or too small, `beta <= 0`, a store or a process of another
    experiment; `TypeError` for another model. Warns (`SltWarning`) of data sets whose chains still do not mix, with
    their number.
    **Source:** Watanabe (2018), sections 1.6 and 6.3; Hoffman and Gelman (2014).

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> found = replicate(jax.random.key(0), triple, 20, datasets=25)
    >>> bool(abs(found.mean("singular_fluctuation").mean - 0.5) < 0.1)
    True
    """
    triple = model.triple if isinstance(model, Specimen) else model
    if not isinstance(triple, Triple):
        raise TypeError(f"replicate wants a Triple or a Specimen of slt.zoo; got {type(model).__name__}.")
    check_key(key)
    check_beta(beta)
    n, datasets = check_whole("n", n, 3), check_whole("datasets", datasets, 1)
    x64 = bool(jax.config.jax_enable_x64)  # pyright: ignore[reportAttributeAccessIssue]
    size, hosts = min(CHUNK, datasets), jax.process_count()
    chunks = -(-datasets // size)
    ours = range(jax.process_index(), chunks, hosts)
    run = program(Same(triple), Same(sampler), n, float(beta), x64)
    about = {"n": n, "datasets": datasets, "beta": float(beta), "free_energy": bool(free_energy)}
    about |= {"key": jax.random.key_data(key).tolist(), "program": run.fingerprint(key)}
    check_alike(Store.digest(repr(about)))
    kept = Store(store, about)
    parts = {chunk: part for chunk in ours if (part := kept.load(chunk)) is not None}
    missing = [chunk for chunk in ours if chunk not in parts]

    def compute(chunk: int, device: Any) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        with jax.enable_x64(x64):  # pyright: ignore[reportAttributeAccessIssue]  (a thread does not inherit it)
            numbers = jnp.arange(chunk * size, (chunk + 1) * size)
            keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(numbers)
            found, said = run(jax.device_put(keys, device), free_energy)
        kept.save(chunk, found)
        return found, said

    said = []
    with on_devices(compute, missing, jax.local_devices()) as results:
        for chunk, result in progress(results, len(missing), "chunks of data sets"):
            parts[chunk], problems = result()
            said += problems
    if said:
        warnings.warn(" Also, ".join(dict.fromkeys(said)), SltWarning, stacklevel=2)
    table = np.zeros((-(-chunks // hosts), len(NAMES), size))
    for i, chunk in enumerate(ours):
        table[i] = [parts[chunk][name] for name in NAMES]
    every = np.moveaxis(gather(table), 0, 1).reshape(-1, len(NAMES), size)  # chunk c came from process c % hosts
    columns = dict(zip(NAMES, np.moveaxis(every, 1, 0).reshape(len(NAMES), -1)[:, :datasets], strict=True))
    columns["redrawn"] = columns["redrawn"].astype(int)
    bad = ~((columns["rhat"] < RHAT) & (columns["ess"] > ESS))
    if bad.any():
        warnings.warn(
            f"the chains of {int(bad.sum())} of {datasets} data sets have not mixed (first: {int(np.argmax(bad))}; "
            f"R-hat up to {np.nanmax(columns['rhat']):.3f}, ESS down to {np.nanmin(columns['ess']):.0f})"
            f"{'' if sampler else f', though they ran {LONGER} times as long'}: their figures are unreliable. Pass "
            f"{'one that runs longer or crosses the modes' if sampler else 'a sampler= that crosses the modes'}.",
            SltWarning,
            stacklevel=2,
        )
    return Replicated(**columns, n=n, beta=float(beta))
