"""What is done for each of many data sets: draws at two temperatures, errors, coefficients, diagnostics (floor 5)."""

from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution

from slt import _many, _smc
from slt._mixing import ess, rhat
from slt._nodes import nodes
from slt._store import Store
from slt._target import Same, target
from slt.evidence import ISLANDS, PARTICLES, energy_of_islands
from slt.losses import cv_loss, functional_variance, generalization_loss, training_loss
from slt.triple import Triple, draw_data, draw_prior, empirical_entropy, log_density

COMPILER = {"xla_backend_optimization_level": 1}  # a third less to wait for, and as fast
FEW = 5  # data sets that are drawn again side by side
LONGER = 4  # times as many rounds the last time
DIVERGENT = 0.01  # share of the transitions of fixed length beyond which they are not trusted
HELD_OUT = 2000  # new observations for the generalization error, where it is no sum over nodes
BATCH = 256  # draws whose matrix is evaluated together
THIN = 4  # for new observations: a mean of p(x|w) needs fewer draws than its moments
RHAT, ESS = 1.02, 200  # of n L_n at both temperatures and of V_n's terms; data sets that miss them are drawn again


@lru_cache(maxsize=8)
def program(triple: Same, sampler: Same, n: int, beta: float, x64: bool) -> "Program":
    """The same object for the same experiment: what it has compiled serves the next call too."""
    return Program(triple.value, n, beta, sampler.value)


class Program:
    """Everything that is done for a chunk of data sets, given their keys, on the device where these lie.

    Every device runs the same program: one program over all of them is optimized in another order where there are
    several, and rounds otherwise.
    """

    def __init__(self, triple: Triple, n: int, beta: float, sampler: Any):
        self.triple, self.n, self.beta, self.sampler = triple, n, beta, sampler
        self.betas = beta, float(1 / np.log(n))
        example = draw_data(jax.random.key(0), triple, n)
        self.density = target(triple, example, {})[0]
        self.exact = None
        if not triple.conditional and not (triple.truth.batch_shape + triple.truth.event_shape):
            self.exact = nodes(triple.truth)
        self.control = self.exact is None and _same_support(triple, example)
        compiled = partial(jax.jit, compiler_options=COMPILER)
        self.attempts = [
            compiled(partial(self._attempt, nuts=nuts, longer=longer))
            for nuts, longer in ((False, 1), (True, 1), (True, LONGER))[: 1 if sampler else None]
        ]
        self.climbs = compiled(partial(jax.lax.map, self._climb))

    def fingerprint(self, key: Any) -> str:
        """What is computed, as text: the program that makes the data, and the densities."""
        data = draw_data(key, self.triple, self.n)
        u = jnp.zeros(self.density.dimension)
        parts = [jax.make_jaxpr(lambda key: draw_data(key, self.triple, self.n))(key)]
        parts += [jax.make_jaxpr(f)(u, list(data)) for f in (self.density.log_prior, self.density.terms)]
        return Store.digest(*((str(p), p.consts) for p in parts), repr(self.sampler))

    def __call__(self, keys: Any, free_energy: bool) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """The figures of each data set, and what there is to say of their free energies."""
        first, *others = self.attempts
        found, bad = _verdict(*first(keys))
        redrawn = np.zeros(len(bad), int)
        for again in others:
            redrawn += bad
            if (rows := np.flatnonzero(bad)).size:
                rows = np.resize(rows, FEW if rows.size <= FEW else len(bad))  # two shapes: little is compiled
                new, bad[rows] = _verdict(*again(keys[rows]))
                for name, column in found.items():
                    column[rows] = new[name]
        excess, problems = self._free_energy_excess(keys) if free_energy else (np.full(len(bad), np.nan), ())
        return found | {"redrawn": redrawn, "free_energy_excess": excess}, problems

    def _free_energy_excess(self, keys: Any) -> tuple[np.ndarray, tuple[str, ...]]:
        """What `slt.tempered_smc` finds for each data set, all of them in one compiled program."""
        climbs, own = jax.tree.map(np.asarray, self.climbs(keys))
        each = [energy_of_islands(jax.tree.map(itemgetter(r), climbs), self.beta) for r in range(len(own))]
        problems = tuple(p for energy in each for p in energy.problems)
        return np.array([energy.value for energy in each]) - own, problems

    def _climb(self, key: Any) -> Any:
        data = draw_data(jax.random.fold_in(key, 0), self.triple, self.n)
        beta, sizes = jnp.asarray(self.beta, float), {"islands": ISLANDS, "particles": PARTICLES // ISLANDS}
        climb = _smc.climb(jax.random.fold_in(key, 9), self.density, list(data), beta, **sizes)
        unused = dict.fromkeys(("u", "log_prior", "log_lik", "totals", "chol"))  # the memory of many data sets
        return climb._replace(**unused), empirical_entropy(self.triple, *data).sum()

    def _attempt(self, keys: Any, *, nuts: bool, longer: int) -> Any:
        """What is found of each data set, what must have mixed, `(data sets, 3, chains, draws)`, and what diverged."""
        data = jax.vmap(lambda key: draw_data(jax.random.fold_in(key, 0), self.triple, self.n))(keys)

        def draw(number_and_beta):
            number, beta = number_and_beta
            own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
            if self.sampler is not None:
                return jax.vmap(lambda key, *data: self.sampler(key, data, beta=beta))(own, *data), jnp.zeros(len(keys))
            sizes = {"draws": longer * _many.DRAWS, "warmup": longer * _many.WARMUP, "nuts": nuts}
            chains = _many.run(own, self.density, list(data), jnp.ones((len(keys), self.n)), beta, **sizes)
            constrain = jax.vmap(jax.vmap(self.density.constrain, in_axes=(0, None)), in_axes=(0, None))
            share = jnp.zeros(len(keys)) if nuts else chains.divergences / (_many.CHAINS * _many.DRAWS)
            return jax.vmap(constrain)(chains.u, list(data)), share

        both, shares = jax.lax.map(draw, (jnp.array([1, 2]), jnp.array(self.betas)))
        hot, cold = (jax.tree.map(itemgetter(i), both) for i in (0, 1))
        return *jax.lax.map(self._judge, (keys, data, hot, cold)), shares.max(0)

    def _judge(self, args: Any) -> Any:
        key, data, hot, cold = args
        triple, n, beta = self.triple, self.n, self.beta
        shape = next(iter(hot.values())).shape[:2]

        def matrix(w, data):
            flat = {name: a.reshape(-1, *a.shape[2:]) for name, a in w.items()}
            size = _batch(len(next(iter(flat.values()))))
            return jax.lax.map(lambda w: log_density(triple, w, *data), flat, batch_size=size)

        own = empirical_entropy(triple, *data)
        log_lik, totals = matrix(hot, data), -matrix(cold, data).sum(1)
        if self.exact is None:
            new = _new_data(jax.random.fold_in(key, 3), triple)
            weights = jnp.full(len(new[0]), 1 / len(new[0]))
        else:
            new, weights = (jnp.asarray(self.exact[0]),), jnp.asarray(self.exact[1])
        thinned = {name: a[:, ::THIN] for name, a in hot.items()}
        log_new, own_new = matrix(thinned, new), -empirical_entropy(triple, *new)
        log_ratio = -generalization_loss(log_new) - own_new
        control = jnp.expm1(log_ratio) if self.control else 0.0  # of expectation zero
        training, variance = training_loss(log_lik).mean(), functional_variance(log_lik).sum()
        apart = ((log_lik - log_lik.mean(0)) ** 2).sum(1)  # its mean over the draws is the functional variance
        found = {
            "generalization_error": weights @ (control - log_ratio),
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
        return found, jnp.stack([a.reshape(shape) for a in (log_lik.sum(1), apart, totals)])


def _batch(draws: int) -> int:
    """So many draws at a time that none are left over: the rest would be a second program to compile."""
    even = max(size for size in range(1, min(draws, BATCH) + 1) if draws % size == 0)
    return even if even >= BATCH // 4 else BATCH


def _verdict(found: Any, watched: Any, diverged: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The figures with the worst diagnostics, and which data sets have not mixed."""
    by_chain = np.moveaxis(np.asarray(watched), 0, -1)  # watched, chains, draws, data sets
    figures = {name: np.array(a) for name, a in found.items()}
    figures["rhat"] = np.max([np.atleast_1d(rhat(a)) for a in by_chain], axis=0)
    figures["ess"] = np.min([np.atleast_1d(ess(a)) for a in by_chain], axis=0)
    return figures, ~((figures["rhat"] < RHAT) & (figures["ess"] > ESS) & (np.asarray(diverged) < DIVERGENT))


def _new_data(key: Any, triple: Triple) -> tuple[Any, ...]:
    """New observations; at fixed inputs new responses at the same inputs, as often as needed."""
    inputs: Any = triple.inputs
    if inputs is None or isinstance(inputs, Distribution):
        return draw_data(key, triple, HELD_OUT)
    repeated = jnp.concatenate([jnp.asarray(inputs)] * -(-HELD_OUT // len(inputs)))
    return draw_data(key, Triple(triple.truth, triple.model, triple.prior, repeated))


def _same_support(triple: Triple, data: Any) -> bool:
    """Whether p(.|w) and the truth live on the same set, so that p*/q has expectation one."""
    x = [a[0] for a in data[:-1]]
    w = {name: a[0] for name, a in draw_prior(jax.random.key(0), triple, 1).items()}
    truth: Any = triple.truth(*x) if triple.conditional else triple.truth
    return truth.support == triple.model(*x, **w).support
