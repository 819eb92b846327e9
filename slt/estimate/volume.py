r"""The prior volume of $\{K < \epsilon\}$ down to tiny $\epsilon$, by multilevel splitting in one compiled program.

A pilot run finds levels at which six tenths of the particles go on. At these levels, now fixed, every replica counts
the survivors, puts copies of them in the place of the others, and moves all by Metropolis steps that keep the prior on
$\{K < \epsilon_k\}$. The product of the shares is unbiased for $V(\epsilon_k)$ at any number of particles, and replicas
are independent, so that their spread is the error.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import SltWarning
from slt._nodes import check_key, check_whole
from slt.estimate._splitting import LEVELS, SHARE, flat, metropolis, pilot, replica

BELOW = 0.01  # of the smallest level, by which rounding may make K negative
RENEWED = 0.5  # share of the particles that should have moved between two levels


@dataclass(frozen=True)
class Volumes:
    r"""The volume $V(\epsilon) = P_\varphi(K(w) < \epsilon)$ at several $\epsilon$, estimated by independent replicas.

    **Arguments:** `epsilon`: the levels, shape `(k,)`, falling. `log_volume`: $\log \hat V$ of each replica, shape
    `(replicas, k)`; $-\infty$ where a replica died out; $\hat V$ itself is unbiased. `renewed`: share of particles that
    moved at each level, `(k,)`. `dimension`: $d$. `problems`: what is wrong, in sentences with a number and a fix.
    **Source:** Cérou, Del Moral, Furon and Guyader (2012) for splitting at fixed levels.

    >>> levels = Volumes(np.array([0.1, 0.01]), np.log([[0.3, 0.1], [0.34, 0.12]]), np.ones(2), 1)
    >>> np.round(np.exp(levels.log_mean), 4).tolist(), np.round(levels.se, 4).tolist()
    ([0.32, 0.11], [0.0625, 0.0909])
    """

    epsilon: np.ndarray
    log_volume: np.ndarray
    renewed: np.ndarray
    dimension: int
    problems: tuple[str, ...] = ()

    @property
    def log_mean(self) -> np.ndarray:
        r"""$\log$ of the mean of $\hat V$ over replicas, shape `(k,)`."""
        return log_mean(self.log_volume)

    @property
    def se(self) -> np.ndarray:
        r"""Relative standard error of that mean, hence that of its logarithm, shape `(k,)`; `ddof=1`."""
        v = np.exp(self.log_volume - self.log_mean)
        return v.std(0, ddof=1) / np.sqrt(len(v))


def volumes(
    key: jax.Array,
    kl: Callable[..., Any],
    prior: Any,
    *,
    smallest: float = 1e-12,
    particles: int = 1000,
    replicas: int = 16,
    moves: int = 16,
) -> Volumes:
    r"""The prior volume of the sets where $K$ is small.

    $$\hat V(\epsilon_k) = \prod_{j \le k} \frac{\#\{s : K(w_s^{(j)}) < \epsilon_j\}}{N}, \qquad
    w_s^{(j)} \sim \varphi(w \mid K < \epsilon_{j-1})$$

    A move changes all coordinates or one, by an amount between $\sqrt\epsilon$ and 1 (on the scale of the logarithm),
    or stretches one coordinate, or two against each other. That suits zeros of $K$ along coordinate axes, which
    stretch over many scales, and smooth ones; $K$ must not be thinner than $\sqrt\epsilon$ around its zeros.

    **Arguments:** `key`: a JAX key. `kl`: $K$ of the parameters by name, `K(**w)`, a JAX function of one parameter,
    $\ge 0$ with zeros. `prior`: a mapping from names to NumPyro distributions, or a `Triple`, of which the prior is
    taken. `smallest`: the $\epsilon$ at which to stop. `particles`: $N$ of each replica. `replicas`: independent runs,
    for the error. `moves`: Metropolis steps of a particle between two levels.
    **Returns:** `Volumes`, computed in float64; `from_volumes` fits $(\lambda, m)$ to it.
    **Raises:** `TypeError` for a bad key; `ValueError` if $K$ is negative, not finite or no number, vanishes on a set
    of positive volume, or stalls above `smallest`: then it has no zero that the prior reaches. Warns (`SltWarning`) if
    a replica died out, or if fewer than half of the particles moved.
    **Source:** Watanabe (2009), section 4.5 for $V$; Au and Beck (2001) and Cérou, Del Moral, Furon and Guyader (2012)
    for the method.

    >>> import numpyro.distributions as dist
    >>> found = volumes(jax.random.key(0), lambda w: w**4, {"w": dist.Uniform(-1.0, 1.0)}, smallest=1e-8)
    >>> bool(abs(found.log_mean[-1] - np.log(1e-2)) < 4 * found.se[-1])  # V(ε) = ε^(1/4)
    True
    """
    check_key(key)
    for name, value, least in (("particles", particles, 50), ("replicas", replicas, 4), ("moves", moves, 1)):
        check_whole(name, value, least)
    if not (np.ndim(smallest) == 0 and 0 < smallest < 1):
        raise ValueError(f"smallest must lie between 0 and 1, a value of K; got {smallest!r}.")
    with jax.enable_x64(True):
        draw, log_prior, constrain = flat(getattr(prior, "prior", prior))
        k_of = lambda u: jnp.asarray(kl(**constrain(u)), float)  # noqa: E731
        key_check, key_pilot, key_run = jax.random.split(key, 3)
        _check_kl(jax.jit(jax.vmap(lambda k: k_of(draw(k))))(jax.random.split(key_check, 256)))
        move = partial(metropolis, k_of=k_of, log_prior=log_prior)
        options = {"draw": draw, "k_of": k_of, "move": move, "particles": particles, "moves": moves}
        run_pilot = jax.jit(partial(pilot, smallest=smallest, **options))
        levels, count, least = (np.asarray(a) for a in run_pilot(key_pilot))
        epsilon = levels[: int(count)]
        _check_levels(epsilon, smallest, float(least))
        run = jax.jit(jax.vmap(partial(replica, **options), in_axes=(0, None, None)))
        log_v, renewed = (np.asarray(a) for a in run(jax.random.split(key_run, replicas), levels, int(count)))
        dimension = jax.eval_shape(draw, key).shape[0]
    log_v, renewed = log_v[:, : len(epsilon)], renewed[:, : len(epsilon)].mean(0)
    problems = _problems(log_v, renewed, epsilon)
    if problems:
        warnings.warn(" Also, ".join(problems), SltWarning, stacklevel=2)
    return Volumes(epsilon, log_v, renewed, dimension, problems)


def log_mean(log_volume: np.ndarray) -> np.ndarray:
    """Logarithm of the mean over the first axis."""
    top = log_volume.max(0)
    return np.log(np.exp(log_volume - top).mean(0)) + top


def _check_kl(k: Any) -> None:
    k = np.asarray(k)
    if k.ndim != 1:
        raise ValueError(f"kl must return one number; it returned shape {k.shape[1:]}. Sum or average inside it.")
    if not np.isfinite(k).all():
        raise ValueError(f"kl is not finite at {int((~np.isfinite(k)).sum())} of {k.size} draws of the prior.")
    if k.min() < 0:
        raise ValueError(
            f"kl must not be negative; its smallest value at {k.size} draws of the prior is {k.min():.3g}. K(w) = "
            "L(w) - L(w0) is measured from the minimum w0 of L."
        )


def _check_levels(epsilon: np.ndarray, smallest: float, least: float) -> None:
    if np.isnan(least):
        raise ValueError("kl is not a number (nan) at some draws of the prior, too rare for a first look.")
    if least < -BELOW * smallest:
        raise ValueError(
            f"kl must not be negative; its smallest value near its zeros is {least:.3g}. K(w) = L(w) - L(w0) is "
            "measured from the minimum w0 of L; if that is rounding, raise smallest."
        )
    if epsilon[-1] <= 0:
        raise ValueError(
            f"K is 0 on a set of prior probability {SHARE ** len(epsilon):.1g} or so: its volume does not vanish, and "
            "there is no exponent to estimate. Is the model able to tell any two parameters apart there?"
        )
    if len(epsilon) < LEVELS and epsilon[-1] > smallest:
        raise ValueError(
            f"K stalls at {epsilon[-1]:.4g}, above smallest={smallest:.3g}: it has no zero that the prior reaches. "
            "Measure K from its minimum, or widen the prior."
        )


def _problems(log_v: np.ndarray, renewed: np.ndarray, epsilon: np.ndarray) -> tuple[str, ...]:
    problems = []
    if dead := int(np.isneginf(log_v[:, -1]).sum()):
        problems.append(
            f"{dead} of {len(log_v)} replicas died out before epsilon={epsilon[-1]:.2g}. Raise particles, or smallest."
        )
    if renewed.min() < RENEWED:
        at = int(renewed.argmin())
        problems.append(
            f"at epsilon={epsilon[at]:.2g} only {renewed[at]:.0%} of the particles moved (wanted {RENEWED:.0%}). Raise "
            "moves, or smallest."
        )
    return tuple(problems)
