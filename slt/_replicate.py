r"""Any triple on many data sets: its errors, WBIC and coefficients for each, resumable and on all devices (floor 5)."""

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution

from slt import _many
from slt._arrays import SltWarning, check_beta
from slt._arviz import ess, rhat
from slt._nodes import check_key, check_whole, nodes
from slt._store import Store
from slt._target import target
from slt._work import progress
from slt.evidence import tempered_smc
from slt.losses import cv_loss, functional_variance, generalization_loss, training_loss
from slt.triple import Triple, draw_data, empirical_entropy, log_density
from slt.zoo import Specimen

CHUNK = 25  # data sets of one program: enough to fill the cores, few enough that a kill loses little
HELD_OUT = 2000  # new observations for the generalization error, where it is no sum over nodes
RHAT, ESS = 1.02, 200  # of n L_n; data sets that miss them are drawn again
LONGER = 4  # times as many rounds the second time


@dataclass(frozen=True)
class Replicated:
    r"""What the theory speaks of, for each of $R$ data sets: arrays of shape `(R,)`.

    **Arguments:** errors in nats per observation, relative to the truth: `generalization_error` $G_n - S$,
    `training_error` $T_n - S_n$, `cv_error` $C_n - S_n$, `waic_error` $W_n - S_n$, `gibbs_generalization_error`
    $\mathbb{E}_w[K(w)]$ and `gibbs_training_error` $\mathbb{E}_w[K_n(w)]$. `functional_variance` $V_n$ in nats².
    `empirical_entropy` $S_n$. `free_energy_excess` $F_n(\beta) - nS_n$ in nats, `nan` if not asked for. At
    $\beta_1 = 1/\log n$: `wbic_excess`, WBIC $- nS_n$, in nats, and `rlct` $\hat\lambda = \beta_1^2
    \mathbb{V}_w[nL_n]$. `singular_fluctuation` $\hat\nu = \beta V_n/2$. `rhat`, `ess` of $nL_n$. `redrawn`: whether the
    chains had to run longer. `n`, `beta`: of the experiment.
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

    def mean(self, name: str) -> Any:
        """The mean over data sets with its standard error."""
        from slt._arrays import mean_se

        return mean_se(getattr(self, name))

    def correlation(self, one: str, other: str) -> float:
        """The correlation of two columns over data sets."""
        return float(np.corrcoef(getattr(self, one), getattr(self, other))[0, 1])

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Mean, standard deviation over data sets (`ddof=1`) and standard error of the mean, by name."""
        found = {name: np.asarray(getattr(self, name), float) for name in NAMES}
        return {k: (a.mean(), a.std(ddof=1), a.std(ddof=1) / np.sqrt(len(a))) for k, a in found.items()}


NAMES = tuple(Replicated.__dataclass_fields__)[:-2]


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

    The No-U-Turn sampler runs for 25 data sets and four chains of each side by side, in one compiled program; the
    programs are spread over the local devices. Data sets whose chains do not mix are drawn again, four times as long.

    **Arguments:** `key`: a JAX key; data set r depends on it and on r alone. `model`: a `Triple` or a zoo's
    `Specimen`. `n`: observations per data set, at least 3. `datasets`: $R$. `beta`: inverse temperature. `sampler`:
    `None`, or a function `(key, data, beta=)` to draws by name `(chains, draws, ...)` that `vmap` can run, such as
    `functools.partial(slt.samplers.gibbs.run, model=...)`. `free_energy`: whether to climb a ladder for $F_n$ too
    (`slt.tempered_smc`, tenths of a second each). `store`: a folder; chunks are written there as they finish, and a run
    that was killed goes on from them to the same figures.
    **Returns:** `Replicated`. The generalization error is a sum over nodes where the truth has one dimension; else an
    average over 2000 new observations, with $p^*/q - 1$, whose expectation is zero, as a control variate.
    **Raises:** `ValueError` for sizes that are not whole or too small, `beta <= 0`, a store of another experiment;
    `TypeError` for another model. Warns (`SltWarning`) of data sets whose chains still do not mix, with their number.
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
    run = _Program(triple, n, float(beta), sampler, min(CHUNK, datasets))
    chunks = -(-datasets // run.size)
    about = {"n": n, "datasets": datasets, "beta": float(beta), "free_energy": bool(free_energy)}
    kept = Store(store, about | {"key": jax.random.key_data(key).tolist(), "program": run.fingerprint(key)})
    devices = jax.local_devices()

    def one(chunk: int) -> dict[str, np.ndarray]:
        found = kept.load(chunk)
        if found is None:
            keys = jax.vmap(lambda r: jax.random.fold_in(key, r))(jnp.arange(run.size) + chunk * run.size)
            found = run(jax.device_put(keys, devices[chunk % len(devices)]), free_energy)
            kept.save(chunk, found)
        return found

    with ThreadPoolExecutor(len(devices)) as pool:
        parts = list(progress(pool.map(one, range(chunks)), chunks, "chunks of data sets"))
    columns = {name: np.concatenate([part[name] for part in parts])[:datasets] for name in NAMES}
    bad = ~((columns["rhat"] < RHAT) & (columns["ess"] > ESS))
    if bad.any():
        warnings.warn(
            f"the chains of {int(bad.sum())} of {datasets} data sets have not mixed (first: {int(np.argmax(bad))}; "
            f"R-hat of nL_n up to {np.nanmax(columns['rhat']):.3f}, ESS down to {np.nanmin(columns['ess']):.0f}), though "
            f"they ran {LONGER} times as long: their figures are unreliable. Pass a sampler that crosses the modes.",
            SltWarning,
            stacklevel=2,
        )
    return Replicated(**columns, n=n, beta=float(beta))


class _Program:
    """Everything that is done for a chunk of data sets, given their keys."""

    def __init__(self, triple: Triple, n: int, beta: float, sampler: Any, size: int):
        self.triple, self.n, self.beta, self.sampler, self.size = triple, n, beta, sampler, size
        self.betas = beta, 1 / np.log(n)
        self.data = jax.jit(jax.vmap(lambda key: draw_data(jax.random.fold_in(key, 0), triple, n)))
        example = draw_data(jax.random.key(0), triple, n)
        self.density = target(triple, example, {})[0]
        self.exact = None
        if not triple.conditional and not (triple.truth.batch_shape + triple.truth.event_shape):
            self.exact = nodes(triple.truth)
        self.judge = jax.jit(lambda keys, data, hot, cold: jax.lax.map(self._judge, (keys, data, hot, cold)))
        self.constrain = jax.jit(self._constrain)

    def fingerprint(self, key: Any) -> str:
        """What is computed, as text: the program that makes the data, and the densities."""
        data = draw_data(key, self.triple, self.n)
        u = jnp.zeros(self.density.dimension)
        parts = [jax.make_jaxpr(lambda key: draw_data(key, self.triple, self.n))(key)]
        parts += [jax.make_jaxpr(f)(u, list(data)) for f in (self.density.log_prior, self.density.terms)]
        return Store.digest(*((str(p), p.consts) for p in parts), repr(self.sampler))

    def __call__(self, keys: Any, free_energy: bool) -> dict[str, np.ndarray]:
        data = self.data(keys)
        found, bad = self._attempt(keys, data, 1)
        redrawn = np.zeros(len(bad), bool)
        if bad.any() and self.sampler is None:
            rows = np.resize(np.flatnonzero(bad), len(bad))  # the same shape again: nothing but the length is new
            again, _ = self._attempt(keys[rows], tuple(a[rows] for a in data), LONGER)
            redrawn[rows] = True
            for name, column in found.items():
                column[rows] = again[name]
        excess = np.full(len(bad), np.nan)
        if free_energy:
            own = np.asarray(jax.vmap(lambda *d: empirical_entropy(self.triple, *d).sum())(*data))
            for r in range(len(bad)):
                climb = tempered_smc(jax.random.fold_in(keys[r], 9), self.triple, *(a[r] for a in data), beta=self.beta)
                excess[r] = climb.free_energy.value - own[r]
        return found | {"redrawn": redrawn, "free_energy_excess": excess}

    def _attempt(self, keys: Any, data: Any, longer: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        hot, cold = (
            self._draw(jax.vmap(partial(jax.random.fold_in, data=i + 1))(keys), data, b, longer)
            for i, b in enumerate(self.betas)
        )
        values, totals = self.judge(keys, data, hot, cold)
        found = {name: np.array(a) for name, a in values.items()}
        by_chain = np.moveaxis(np.asarray(totals), 0, -1)  # chains, draws, data sets
        found["rhat"], found["ess"] = np.atleast_1d(rhat(by_chain)), np.atleast_1d(ess(by_chain))
        return found, ~((found["rhat"] < RHAT) & (found["ess"] > ESS))

    def _draw(self, keys: Any, data: Any, beta: float, longer: int) -> Any:
        """Draws by name, `(data sets, chains, draws, ...)`."""
        if self.sampler is not None:
            return jax.jit(jax.vmap(lambda k, *d: self.sampler(k, d, beta=beta)))(keys, *data)
        weights = jnp.ones((len(keys), self.n))
        sizes = {"draws": longer * _many.DRAWS, "warmup": longer * _many.WARMUP}
        return self.constrain(_many.run(keys, self.density, list(data), weights, beta, **sizes).u, data)

    def _constrain(self, u: Any, data: Any) -> Any:
        return jax.vmap(lambda u, d: jax.vmap(jax.vmap(lambda u: self.density.constrain(u, list(d))))(u))(u, data)

    def _judge(self, args: Any) -> Any:
        key, data, hot, cold = args
        triple, n, beta = self.triple, self.n, self.beta
        shape = next(iter(hot.values())).shape[:2]

        def matrix(w, data):
            flat = {name: a.reshape(-1, *a.shape[2:]) for name, a in w.items()}
            return jax.lax.map(lambda w: log_density(triple, w, *data), flat, batch_size=256)

        own = empirical_entropy(triple, *data)
        log_lik, totals = matrix(hot, data), -matrix(cold, data).sum(1)
        if self.exact is None:
            new = _new_data(jax.random.fold_in(key, 3), triple)
            weights = jnp.full(len(new[0]), 1 / len(new[0]))
        else:
            new, weights = (jnp.asarray(self.exact[0]),), jnp.asarray(self.exact[1])
        log_new, own_new = matrix(hot, new), -empirical_entropy(triple, *new)
        log_ratio = -generalization_loss(log_new) - own_new
        training, variance = training_loss(log_lik).mean(), functional_variance(log_lik).sum()
        found = {
            "generalization_error": weights @ (jnp.expm1(log_ratio) - log_ratio),
            "training_error": training - own.mean(),
            "cv_error": cv_loss(log_lik, beta=beta, method="plain").mean() - own.mean(),
            "waic_error": training + beta * variance / n - own.mean(),
            "gibbs_generalization_error": weights @ (own_new - log_new.mean(0)),
            "gibbs_training_error": -log_lik.mean() - own.mean(),
            "functional_variance": variance,
            "empirical_entropy": own.mean(),
            "wbic_excess": totals.mean() - own.sum(),
            "rlct": self.betas[1] ** 2 * totals.var(),
            "singular_fluctuation": beta * variance / 2,
        }
        return found, log_lik.sum(1).reshape(shape)


def _new_data(key: Any, triple: Triple) -> tuple[Any, ...]:
    """New observations; at fixed inputs new responses at the same inputs, as often as needed."""
    inputs: Any = triple.inputs
    if inputs is None or isinstance(inputs, Distribution):
        return draw_data(key, triple, HELD_OUT)
    repeated = jnp.concatenate([jnp.asarray(inputs)] * -(-HELD_OUT // len(inputs)))
    return draw_data(key, Triple(triple.truth, triple.model, triple.prior, repeated))
