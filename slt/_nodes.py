r"""What a NumPyro distribution lacks: a log-density that ends with its support, and nodes for its integrals (floor 1).

Duck-typed: only the density, the support, the moments and the shapes of a NumPyro distribution are used. Beside them,
what every evaluation of a density needs: the rule for kinds and dtypes, and the checks of a key, a count, a model.
"""

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import in_input_precision, is_tracer

STEP, REACH, NEGLIGIBLE = 0.01, 45.0, 1e-19
TOTAL = 1e-6  # how far the total mass may be from 1


def log_prob(distribution: Any, x: Any) -> jax.Array:
    r"""Log-density, $-\infty$ outside the support, where NumPyro returns whatever the formula gives.

    >>> import numpyro.distributions as dist
    >>> [round(float(a), 6) for a in log_prob(dist.Uniform(0.0, 2.0), jnp.array([1.0, 3.0]))]
    [-0.693147, -inf]
    """
    support = distribution.support
    if support is None:
        return distribution.log_prob(x)
    inside = jnp.asarray(support(x))
    x = jnp.broadcast_to(x, inside.shape + jnp.shape(x)[jnp.ndim(x) - distribution.event_dim :])
    event = inside.reshape(inside.shape + (1,) * distribution.event_dim)
    feasible = jnp.where(event, x, support.feasible_like(x).astype(x.dtype))
    if support.is_discrete:  # nodes are floats, and a categorical takes none, whole as they are
        feasible = feasible.astype(int)
    return jnp.where(inside, distribution.log_prob(feasible), -jnp.inf)


def nodes(distribution: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Nodes $x_k$ and weights $\omega_k$ with $\mathbb{E}_q[f(X)] \approx \sum_k \omega_k f(x_k)$.

    Discrete: the support. Continuous: the trapezoidal rule after $x = T(c + s \sinh t)$, where $T$ maps the real line
    onto the support; for analytic integrands it converges exponentially, for heavy tails too.

    $$\omega_k = q(x_k)\, \frac{dx}{dt}(t_k)\, h, \qquad t_k = kh$$

    **Arguments:** `distribution`: a scalar NumPyro distribution (a mixture too).
    **Returns:** two float64 NumPy arrays of equal length; the weights are positive and sum to 1 within $10^{-6}$ (to
    rounding for an analytic density that is computed in float64).
    **Raises:** `NotImplementedError` if the distribution has more than one dimension; `ValueError` if the weights sum
    to 1 less well than that, as with a density that has a jump or a kink inside its support.
    **Source:** Takahasi and Mori (1974) for the double-exponential idea.

    >>> import numpyro.distributions as dist
    >>> x, weights = nodes(dist.Normal(1.0, 2.0))
    >>> round(float(weights @ x**2), 8)
    5.0
    """
    if distribution.batch_shape or distribution.event_shape:
        raise NotImplementedError(
            f"nodes handles one-dimensional distributions; got batch shape {distribution.batch_shape} and event shape "
            f"{distribution.event_shape}. Average over draws of the truth instead."
        )
    with jax.enable_x64(True):
        if distribution.support.is_discrete:
            x = np.asarray(_support(distribution), dtype=np.int64)
            weights = np.exp(np.asarray(distribution.log_prob(jnp.asarray(x)), dtype=np.float64))
        else:
            x, weights = _continuous(distribution)
    total = float(weights.sum())
    if not abs(total - 1) < TOTAL:
        raise ValueError(
            f"quadrature under {type(distribution).__name__} gives total mass {total:.10f} instead of 1: its density "
            "has a jump, a kink or a pole that the rule cannot see (average over draws of the truth instead), or is "
            'computed in float32 (switch x64 on: jax.config.update("jax_enable_x64", True)).'
        )
    keep = weights > NEGLIGIBLE
    return x[keep].astype(np.float64), weights[keep]


def _support(distribution: Any) -> Any:
    if distribution.has_enumerate_support:
        return distribution.enumerate_support(expand=False)
    mean, sd = float(distribution.mean), float(distribution.variance) ** 0.5
    return np.arange(int(mean + 40 * sd + 40))


def _continuous(distribution: Any) -> tuple[np.ndarray, np.ndarray]:
    from numpyro.distributions import biject_to

    transform = biject_to(distribution.support)
    mean, sd = _moment(distribution, "mean"), np.sqrt(_moment(distribution, "variance"))
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):  # no variance: use location and scale if it has them
        mean = np.asarray(getattr(distribution, "loc", mean if np.isfinite(mean) else 0.0), dtype=np.float64)
        sd = np.asarray(getattr(distribution, "scale", 1.0), dtype=np.float64)
    on_the_line = float(transform(jnp.asarray(-1.0))) == -1.0
    if not on_the_line:  # in the coordinates of the transform: around the mean, unit scale
        mean, sd = np.asarray(transform._inverse(jnp.asarray(mean))), np.ones(())
        mean = mean if np.isfinite(mean) else np.zeros(())
    t = np.arange(-REACH, REACH, STEP)
    u = jnp.asarray(mean + sd * np.sinh(t))
    x, slope = np.asarray(transform(u)), np.asarray(jax.vmap(jax.grad(transform))(u))
    inside = np.isfinite(x) & (slope > 0) & np.asarray(distribution.support(jnp.asarray(x)))
    x, slope, t = x[inside], slope[inside], t[inside]
    log_density = np.asarray(distribution.log_prob(jnp.asarray(x)), dtype=np.float64)
    seen = np.isfinite(log_density)  # not where the formula overflows, far out in a tail
    x, slope, t = x[seen], slope[seen], t[seen]
    return x, np.exp(log_density[seen] + np.log(slope) + np.log(sd * np.cosh(t) * STEP))


def _moment(distribution: Any, name: str) -> np.ndarray:
    """The mean or the variance; NaN where the distribution has none, or NumPyro no formula for it."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(getattr(distribution, name), dtype=np.float64)
    except (ArithmeticError, NotImplementedError):
        return np.asarray(np.nan)


def entropy(distribution: Any) -> float:
    """Differential or discrete entropy in nats: in closed form where NumPyro has one, else by `nodes`."""
    try:
        return float(jnp.sum(distribution.entropy()))
    except NotImplementedError:
        x, weights = nodes(distribution)
        return float(-(weights * distribution.log_prob(x)).sum())


def expected_entropy(conditional: Callable[[Any], Any], inputs: Any) -> float:
    """The mean over random inputs of the entropy of `conditional(x)`; no mean is taken where x does not enter it."""
    x = jax.eval_shape(lambda: inputs.sample(jax.random.key(0)))
    if not _uses(lambda x: jnp.sum(conditional(x).entropy()), x):
        return entropy(conditional(jnp.zeros(x.shape, x.dtype)))
    x, weights = nodes(inputs)
    return float(sum(w * entropy(conditional(x_i)) for x_i, w in zip(x, weights, strict=True)))


def _uses(function: Callable[[Any], Any], x: Any) -> bool:
    """Whether the program of the function uses values of `x` for its result; also true where it cannot be traced."""
    try:
        program = jax.make_jaxpr(function)(x).jaxpr
    except (NotImplementedError, jax.errors.JAXTypeError, jax.errors.JAXIndexError):
        return True
    used = {id(v) for v in program.invars}
    for step in program.eqns:
        if any(id(v) in used for v in step.invars):
            used |= {id(v) for v in step.outvars}
    return any(id(v) in used for v in program.outvars)


def evaluate(function: Callable[..., Any], *arrays: Any, also: tuple[Any, ...] = (), keep: bool = True) -> Any:
    """NumPy in, NumPy out; JAX in, JAX out; the dtype that the floating arrays have; plain JAX where one is traced.

    `also` are further arguments that may be traced, and that count neither for the kind nor for the dtype. With
    `keep=False` the dtype is what the function makes it.
    """

    def run(*arrays):
        out = function(*arrays)
        floating = [a for a in arrays if keep and hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.floating)]
        return jax.tree.map(lambda a: a.astype(jnp.result_type(*floating)), out) if floating else out

    if is_tracer(*arrays, *also):
        return run(*arrays)
    try:
        return in_input_precision(run, *arrays)
    except jax.errors.TracerArrayConversionError:  # the function itself holds traced values
        return run(*map(jnp.asarray, arrays))


def check_key(key: Any) -> None:
    """Raise `TypeError` unless `key` is one JAX key, of the new kind or the old."""
    dtype, shape = getattr(key, "dtype", None), np.shape(key)
    new = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ()
    if not (new or (dtype == np.uint32 and len(shape) == 1)):
        got = repr(key) if dtype is None else f"an array of dtype {dtype} and shape {shape}"
        raise TypeError(f"key must be one JAX key, such as jax.random.key(0); got {got}.")


def check_whole(name: str, value: Any, least: int) -> int:
    """The value as an int, or a `ValueError` unless it is a whole number of at least `least`."""
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool) or whole < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}.")
    return whole


def check_arguments(model: Callable[..., Any], prior: Mapping[str, Any], conditional: bool) -> None:
    """Raise `TypeError` unless the model can be called with `x` if conditional, and the prior's names."""
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):  # some callables have none
        return
    try:
        signature.bind(*[None] * conditional, **dict.fromkeys(prior))
    except TypeError as error:
        raise TypeError(
            f"the model must take {'x and then ' * conditional}the prior's parameters {sorted(prior)} by name; its "
            f"arguments are {list(signature.parameters)} ({error}). Rename one or the other."
        ) from error
