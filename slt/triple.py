r"""The triple (truth, model, prior) of the theory, and what it determines (floor 2).

$q(x)$, $p(x \mid w)$, $\varphi(w)$: NumPyro distributions and a function from $w$ to a distribution. Data are always a
tuple, `(x,)` or, for a conditional triple, `(x, y)`, and are handed on as `*data`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import Distribution

from slt._nodes import check_arguments, check_key, check_whole, evaluate, expected_entropy, log_prob
from slt._nodes import entropy as _entropy


@dataclass(frozen=True)
class Triple:
    r"""Truth, model and prior: $(q, p, \varphi)$.

    **Arguments:** `truth`: a distribution $q(x)$, or, with `inputs`, a function `x -> distribution` $q(y \mid x)$.
    `model`: a function `(**w) -> distribution`, or, with `inputs`, `(x, **w) -> distribution`.
    `prior`: one distribution per parameter name; parameters are independent under it.
    `inputs`: `None`; or the distribution $q(x)$ of one input; or an array of fixed inputs, first axis observations.
    **Raises:** `TypeError` if these do not fit together, as when the model's arguments are not the prior's names.
    **Source:** Watanabe (2018), sections 1.3, 1.4 and 1.8.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> triple.conditional
    False
    """

    truth: Any
    model: Callable[..., Distribution]
    prior: Mapping[str, Distribution]
    inputs: Any = None

    def __post_init__(self):
        if not isinstance(self.prior, Mapping) or not self.prior:
            raise TypeError(
                f"prior must map parameter names to distributions, as {{'mu': dist.Normal(0, 10)}}; got {self.prior!r}."
            )
        for name, prior in self.prior.items():
            if not isinstance(prior, Distribution):
                raise TypeError(f"prior[{name!r}] must be a numpyro distribution; got {type(prior).__name__}.")
        if self.inputs is None and not isinstance(self.truth, Distribution):
            raise TypeError(
                f"truth must be a numpyro distribution; got {type(self.truth).__name__}. "
                "If it is a function of x, pass inputs= (a distribution of x, or an array of fixed inputs)."
            )
        if self.inputs is not None and (isinstance(self.truth, Distribution) or not callable(self.truth)):
            raise TypeError("with inputs=, truth must be a function of x that returns a distribution of y.")
        check_arguments(self.model, self.prior, self.conditional)

    @property
    def conditional(self) -> bool:
        """Whether the triple is about $q(y|x)$."""
        return self.inputs is not None


@dataclass(frozen=True)
class Posterior:
    r"""Draws from a posterior at inverse temperature $\beta$, with the matrix that every loss needs.

    **Arguments:** `draws`: name to array `(draws, ...)`. `log_lik`: $\log p(X_i \mid w_s)$, shape `(draws, n)`,
    untempered. `beta`: the inverse temperature. `log_weights`: shape `(draws,)` where the draws are weighted nodes, as
    from quadrature. `log_evidence`: $\log Z_n(\beta)$ in nats where it is known. `diagnostics`: of the sampler.
    **Source:** Watanabe (2018), section 1.4.

    >>> Posterior({"w": np.zeros(2)}, np.zeros((2, 3)), 1.0)
    Posterior(w: (2,); log_lik: (2, 3); beta=1.0)
    """

    draws: Mapping[str, Any]
    log_lik: Any
    beta: float = 1.0
    log_weights: Any = None
    log_evidence: float | None = None
    diagnostics: Any = None

    def __repr__(self) -> str:
        parts = [", ".join(f"{k}: {tuple(np.shape(v))}" for k, v in self.draws.items())]
        parts += [f"log_lik: {tuple(np.shape(self.log_lik))}", f"beta={self.beta}"]
        if self.log_evidence is not None:
            parts.append(f"log_evidence={self.log_evidence:.4f}")
        if self.diagnostics is not None:
            parts.append(str(self.diagnostics))
        return f"Posterior({'; '.join(parts)})"


def draw_data(key: jax.Array, triple: Triple, n: int | None = None) -> tuple[jax.Array, ...]:
    r"""A data set $X^n$ of independent observations from the truth.

    $$X_i \sim q(x) \qquad\text{or}\qquad X_i \sim q(x),\; Y_i \sim q(y \mid X_i)$$

    **Arguments:** `key`: a JAX key. `triple`: the triple. `n`: number of observations; with fixed inputs it is their
    number and may be left out.
    **Returns:** `(x,)`, or `(x, y)` for a conditional triple; first axis `n`.
    **Raises:** `ValueError` if `n` is missing, below 1 or contradicts fixed inputs; `TypeError` if `key` is no key.
    **Source:** Watanabe (2018), sections 1.3 and 1.8.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> draw_data(jax.random.key(0), triple, 5)[0].shape
    (5,)
    """
    check_key(key)
    inputs: Any = triple.inputs
    fixed = triple.conditional and not isinstance(triple.inputs, Distribution)
    if fixed:
        if n is not None and n != (size := len(inputs)):
            raise ValueError(f"the triple has {size} fixed inputs; got n={n}. Leave n out, or change the inputs.")
        n = len(inputs)
    n = check_whole("n", n, 1)
    if not triple.conditional:
        return (triple.truth.sample(key, (n,)),)
    key_x, key_y = jax.random.split(key)
    x = jnp.asarray(inputs) if fixed else inputs.sample(key_x, (n,))
    y = jax.vmap(lambda k, x: triple.truth(x).sample(k))(jax.random.split(key_y, n), x)
    return jnp.asarray(x), jnp.asarray(y)


def draw_prior(key: jax.Array, triple: Triple, draws: int) -> dict[str, jax.Array]:
    r"""Independent draws from the prior, $w_s \sim \varphi(w)$.

    **Arguments:** `key`: a JAX key. `triple`: the triple. `draws`: how many.
    **Returns:** name to array, first axis `draws`.
    **Raises:** `ValueError` if `draws` is not a whole number from 1; `TypeError` if `key` is no key.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> draw_prior(jax.random.key(0), triple, 3)["mu"].shape
    (3,)
    """
    check_key(key)
    draws, keys = check_whole("draws", draws, 1), jax.random.split(key, len(triple.prior))
    return {name: jnp.asarray(p.sample(k, (draws,))) for k, (name, p) in zip(keys, triple.prior.items(), strict=True)}


def log_prior(triple: Triple, w: Mapping[str, Any]) -> Any:
    r"""Logarithm of the prior density, $\log \varphi(w)$, in nats.

    **Arguments:** `triple`: the triple. `w`: one value per parameter name.
    **Returns:** a scalar, of the kind and dtype of `w`.
    **Raises:** `ValueError` if the names of `w` are not those of the prior.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Uniform(0, 2)})
    >>> round(float(log_prior(triple, {"mu": 0.5})), 6)  # log(1/2)
    -0.693147
    """
    check_names(triple, w)
    total = lambda p, value: log_prob(p, jnp.asarray(value)).sum()  # noqa: E731
    return evaluate(lambda *values: sum(map(total, triple.prior.values(), values)), *(w[k] for k in triple.prior))


def log_density(triple: Triple, w: Mapping[str, Any], *data: Any) -> Any:
    r"""Log-likelihood of each observation at one parameter, $\log p(X_i \mid w)$ or $\log p(Y_i \mid X_i, w)$.

    **Arguments:** `triple`: the triple. `w`: one value per parameter name. `data`: `x`, or `x, y`.
    **Returns:** shape `(n,)`, nats, of the kind and dtype of `w` and `data`.
    **Raises:** `ValueError` if names or shapes do not fit.
    **Source:** Watanabe (2018), section 1.4.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> log_density(triple, {"mu": 0.0}, jnp.zeros(3)).shape
    (3,)
    """
    check_names(triple, w)
    return _pointwise(triple, lambda w, *x: triple.model(*x, **w), data, w)


def entropy(triple: Triple) -> float:
    r"""Entropy of the truth, $S$, the loss that no prediction can beat on average.

    $$S = -\int q(x) \log q(x)\,dx \qquad\text{or}\qquad S = -\int q(x) \int q(y \mid x) \log q(y \mid x)\,dy\,dx$$

    For fixed inputs the outer integral is the mean over them; there is none where the entropy does not depend on $x$.

    **Arguments:** `triple`: the triple.
    **Returns:** nats per observation. In closed form where NumPyro has one, else by quadrature (1-D truths).
    **Raises:** `NotImplementedError` for a truth of more than one dimension without a closed form, and for random
    inputs of more than one dimension on which the entropy depends.
    **Source:** Watanabe (2018), section 1.3.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 10)})
    >>> round(entropy(triple), 6)  # (1 + log 2 pi) / 2
    1.418939
    """
    if not triple.conditional:
        return _entropy(triple.truth)
    if isinstance(triple.inputs, Distribution):
        return expected_entropy(triple.truth, triple.inputs)
    return sum(_entropy(triple.truth(x)) for x in jnp.asarray(triple.inputs)) / len(triple.inputs)


def empirical_entropy(triple: Triple, *data: Any) -> Any:
    r"""Empirical entropy $S_n$, one term per observation.

    $$S_n = -\frac1n \sum_i \log q(X_i) \qquad\text{or}\qquad S_n = -\frac1n \sum_i \log q(Y_i \mid X_i)$$

    **Arguments:** `triple`: the triple. `data`: `x`, or `x, y`.
    **Returns:** shape `(n,)`, nats per observation, of the kind and dtype of `data`; $S_n$ is its `.mean()`.
    **Raises:** `ValueError` if the shapes do not fit.
    **Source:** Watanabe (2018), section 1.3.

    >>> import numpyro.distributions as dist
    >>> triple = Triple(dist.Uniform(0, 4), lambda b: dist.Uniform(0, b), {"b": dist.Uniform(1, 9)})
    >>> round(float(empirical_entropy(triple, jnp.array([1.0, 3.0])).mean()), 6)  # log 4
    1.386294
    """
    return -_pointwise(triple, lambda _, *x: triple.truth(*x) if triple.conditional else triple.truth, data, {})


def check_names(triple: Triple, w: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless `w` has exactly the parameters of the prior."""
    if set(w) != set(triple.prior):
        raise ValueError(f"w must have the prior's parameters {sorted(triple.prior)}; got {sorted(w)}.")


def _pointwise(triple: Triple, distribution: Callable[..., Any], data: tuple[Any, ...], w: Mapping[str, Any]) -> Any:
    """Log-density of each observation under `distribution(w, *inputs)`."""
    wanted = 2 if triple.conditional else 1
    if len(data) != wanted:
        raise ValueError(f"this triple's data are {'x, y' if wanted == 2 else 'x'}; got {len(data)} array(s).")
    shapes = [np.shape(a) for a in data]
    if any(len(shape) == 0 or shape[0] == 0 for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(f"data must share a first axis of at least one observation; got shapes {shapes}.")

    def run(*arrays):
        (*inputs, y), at = map(jnp.asarray, arrays[:wanted]), dict(zip(w, arrays[wanted:], strict=True))
        one = lambda y, *x: log_prob(distribution(at, *x), y)  # noqa: E731
        return jax.vmap(one)(y, *inputs) if inputs else one(y)

    terms = evaluate(run, *data, *w.values())
    if terms.shape != (n := shapes[0][:1]):
        raise ValueError(
            f"the density must give one number per observation, shape {n}; got {terms.shape}. "
            "For vector observations use a multivariate distribution or .to_event(1)."
        )
    return terms
