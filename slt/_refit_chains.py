r"""Leave-one-out refits of any model by chains, many refits in one compiled program (floor 5)."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt import _many
from slt._arrays import SltWarning
from slt._mixing import ess, rhat
from slt._sites import as_jax, check_observed, inspect, refuse_options
from slt._target import Target, target
from slt._work import progress
from slt.triple import Triple

FEW, MANY = 5, 25  # refits of one program: two sizes, so that a new number of refits compiles nothing
TILE = 2**25  # numbers that a program may hold: 256 MB in float64
RHAT = 1.02  # of log p(X_i|w) and of the log-likelihood of the rest; refits that miss it are drawn again
DIVERGENT = 0.01  # share of the transitions
LONGER = 4  # times as many rounds the second time
GRADIENTS = 10  # of one draw, for the prediction of the cost


class RefitTerms(NamedTuple):
    r"""Leave-one-out terms with what is known of their error, each of shape `(k,)`.

    `loss`: $-\log p(X_i \mid X^n \setminus X_i)$ in nats. `se`: its Monte Carlo standard error, zero where no chain
    ran. `rhat`, `divergences`: of the chains of each refit; NaN and zero where none ran.
    """

    loss: Any
    se: Any
    rhat: Any
    divergences: Any


@dataclass(frozen=True, eq=False)
class Deleted:
    """A model's density and data, and the unit that each entry of its terms belongs to: one observation or a group.

    Units are counted from 0; -1 is an entry that is no observation.
    """

    density: Target
    data: Any
    units: np.ndarray

    @property
    def n(self) -> int:
        """How many units there are to leave out."""
        return int(self.units.max()) + 1

    def size(self, count: int) -> int:
        """How many refits run side by side: few or many, and fewer where the data or the draws are large."""
        of_one = _many.CHAINS * max(len(self.units), _many.DRAWS * self.density.dimension)
        return max(1, min(FEW if count <= FEW else MANY, TILE // of_one))

    def run(self, key: Any, indices: np.ndarray, beta: float) -> RefitTerms:
        """The refits of these observations; observation `i` has the key `fold_in(key, i)`."""
        if not indices.size:
            return RefitTerms(*np.zeros((4, 0)))
        found = self._chunks(key, indices, beta, 1)
        bad = np.flatnonzero(~(found.rhat <= RHAT))
        if bad.size:
            again = self._chunks(jax.random.fold_in(key, self.n), indices[bad], beta, LONGER)
            for old, new in zip(found, again, strict=True):
                old[bad] = new
        longer = np.where(np.isin(np.arange(indices.size), bad), LONGER, 1)
        self._judge(found, indices, longer * _many.CHAINS * _many.DRAWS)
        return found

    def seconds(self, count: int, beta: float) -> float:
        """A forecast: the time of one gradient in every chain of a program, times ten a draw."""
        size = self.size(count)
        weights = jnp.ones(len(self.units))

        def potential(u, data):
            return self.density.log_prior(u, data) + beta * _many.weighted(weights, self.density.terms(u, data))

        gradient = jax.jit(jax.vmap(jax.grad(potential), in_axes=(0, None)))
        u = jnp.zeros((size * _many.CHAINS, self.density.dimension))
        jax.block_until_ready(gradient(u, self.data))  # compiles
        start = time.perf_counter()
        jax.block_until_ready(gradient(u, self.data))
        one = time.perf_counter() - start
        return one * GRADIENTS * (_many.WARMUP + _many.DRAWS) * -(-count // size)

    def _chunks(self, key: Any, indices: np.ndarray, beta: float, longer: int) -> RefitTerms:
        size = self.size(indices.size)
        starts = range(0, indices.size, size)
        chunks = (np.resize(indices[at : at + size], size) for at in starts)  # the last one is padded
        run = partial(self._chunk, key, beta=beta, longer=longer)
        parts = list(progress(map(run, chunks), len(starts), "programs of refits"))
        return RefitTerms(*(np.concatenate(column)[: indices.size] for column in zip(*parts, strict=True)))

    def _chunk(self, key: Any, indices: np.ndarray, *, beta: float, longer: int) -> RefitTerms:
        keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.asarray(indices))
        weights = jnp.where(jnp.asarray(self.units) == jnp.asarray(indices)[:, None], 0.0, 1.0)
        sizes = {"draws": longer * _many.DRAWS, "warmup": longer * _many.WARMUP}
        chains = _many.run(keys, self.density, self.data, weights, beta, shared=True, **sizes)
        left_out, rest = _scores(chains.u, self.density, self.data, weights)
        return _summary(np.asarray(left_out), np.asarray(rest), np.array(chains.divergences))

    def _judge(self, found: RefitTerms, indices: np.ndarray, transitions: np.ndarray) -> None:
        apart = ~(found.rhat <= RHAT)
        bad = apart | (found.divergences > DIVERGENT * transitions)
        if bad.any():
            named = ", ".join(
                f"{i} (R-hat {r:.3f}, {d} of {t} transitions diverged)"
                for i, r, d, t in zip(
                    indices[bad][:10], found.rhat[bad], found.divergences[bad], transitions[bad], strict=False
                )
            )
            kind = "observations" if self.n == (self.units >= 0).sum() else "groups"
            warnings.warn(
                f"the chains of {int(bad.sum())} of {indices.size} refits cannot be trusted: {kind} {named}"
                f"{', ...' if bad.sum() > 10 else ''}. Reparametrize the model, or look for several modes.",
                SltWarning,
                stacklevel=5,
            )


def deleted(model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], groups: Any = None) -> Deleted:
    """What the refits of a triple or of a NumPyro model with one observed site need; says why a model cannot be."""
    args, kwargs = as_jax((args, dict(kwargs)))
    keep = None
    if isinstance(model, Triple):
        refuse_options("a Triple", **kwargs)
    else:
        _, keep = check_observed(inspect(model, *args, **kwargs), None)
    try:
        density, data = target(model, args, kwargs)
    except ValueError as error:
        if "improper" not in str(error):
            raise
        raise ValueError(
            f"refit starts its chains from draws of the prior: {str(error).split(' is improper')[0]} is improper "
            "and has none. Give it a proper prior, such as dist.Normal(0, 10), or pass cv_loss(..., refit=) your own "
            "function, from indices to exact terms."
        ) from error
    example = jax.eval_shape(density.terms, jax.eval_shape(density.draw_prior, jax.random.key(0), data), data)
    units = np.full(example.shape[0], -1)
    own = np.arange(units.size) if keep is None else keep
    units[own] = np.arange(own.size) if groups is None else labels(groups, own.size)
    return Deleted(density, data, units)


def labels(groups: Any, n: int) -> np.ndarray:
    """The number of each observation's group, in the order of `slt.observations`."""
    if np.shape(groups) != (n,):
        raise ValueError(f"groups must give one label per observation, shape ({n},); got shape {np.shape(groups)}.")
    return np.unique(np.asarray(groups), return_inverse=True)[1]


@partial(jax.jit, static_argnames=("density",))
def _scores(u: Any, density: Target, data: Any, weights: Any) -> Any:
    """Of each draw, `(R, chains, draws)`: log p of what is left out, and of all the others together."""

    def of_refit(args):
        u, weights = args

        def of_draw(u):
            terms = density.terms(u, data)
            return _many.weighted(1 - weights, terms), _many.weighted(weights, terms)

        tile = max(1, min(256, TILE // weights.size))
        found = jax.lax.map(of_draw, u.reshape(-1, u.shape[-1]), batch_size=tile)
        return tuple(a.reshape(u.shape[:2]) for a in found)

    return jax.lax.map(of_refit, (u, weights))


def _summary(left_out: np.ndarray, rest: np.ndarray, divergences: np.ndarray) -> RefitTerms:
    r"""$-\log \mathbb{E}[p]$ and its error: the mean's own, from the effective number of draws of $p$."""
    top = left_out.max((1, 2), keepdims=True)
    p = np.exp(left_out - np.where(np.isfinite(top), top, 0))
    mean = p.mean((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = -np.log(mean) - top[:, 0, 0]
        effective = np.atleast_1d(ess(np.moveaxis(p, 0, -1), method="mean"))
        se = p.std((1, 2)) / np.sqrt(effective) / mean
    both = np.stack([p, rest])  # R-hat looks at ranks: p and log p are the same to it
    worst = np.atleast_2d(rhat(np.moveaxis(both, (0, 1), (2, 3)))).max(0)
    return RefitTerms(loss, se, worst, divergences)
