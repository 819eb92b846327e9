r"""Many data sets at once: the losses, the variance and the free energy of each, in one compiled program (floor 4).

Posteriors are exact (conjugate) or on a grid, so that what varies from data set to data set is the data alone. The
generalization loss is an integral over the truth by quadrature, not an average over test data.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from slt import conjugate, quadrature
from slt._arrays import check_beta, in_input_precision
from slt._nodes import check_key, check_whole, nodes
from slt._work import tile
from slt.conjugate import formulas
from slt.conjugate.checks import check_data
from slt.losses import cv_loss, functional_variance, generalization_loss, training_loss
from slt.triple import Triple, draw_data, empirical_entropy, log_density

__all__ = ["Observables", "conjugate_experiment", "grid_experiment"]

MAP_BATCH = 8  # data sets evaluated side by side on a grid; more leave the cache of the processor


class Observables(NamedTuple):
    r"""What the theory speaks of, for each of many data sets: arrays of shape `(datasets,)`.

    `generalization` $G_n$, `training` $T_n$, `cv` $C_n$ (exact leave-one-out) and `waic` $W_n$ in nats per observation;
    `variance` $V_n$ in nats² (a sum over observations); `free_energy` $F_n(\beta) = -\frac1\beta \log Z_n(\beta)$ in
    nats, `nan` for an improper prior; `empirical_entropy` $S_n$ in nats per observation.

    **Source:** Watanabe (2018), sections 1.6 and 1.7.

    >>> Observables(*np.zeros((7, 2)))._fields[:3]
    ('generalization', 'training', 'cv')
    """

    generalization: Any
    training: Any
    cv: Any
    waic: Any
    variance: Any
    free_energy: Any
    empirical_entropy: Any


def conjugate_experiment(
    key: jax.Array,
    truth: Any,
    family: conjugate.ExponentialFamily,
    n: int,
    *,
    datasets: int = 1000,
    beta: float = 1.0,
    inputs: Any = None,
) -> Observables:
    r"""Observables of a conjugate model on many data sets.

    $$X^n_{(r)} \sim q, \qquad r = 1, \dots, R$$

    **Arguments:** `key`: a JAX key. `truth`: the distribution $q(x)$, one-dimensional; or, with `inputs`, a function
    from one input to $q(y \mid x)$. `family`: model and prior. `n`: observations per data set. `datasets`: $R$.
    `beta`: inverse temperature. `inputs`: fixed inputs, shape `(n, d)`; $G_n$ then is the loss of new responses at
    the same inputs.
    **Returns:** `Observables` of arrays `(datasets,)`; `slt.mean_se` gives the mean and its standard error.
    **Raises:** `ValueError` for `n < 1` (`n < 2` where leave-one-out needs it), `datasets < 1`, a
    count that is not whole, or `beta <= 0`; `TypeError` if `key` is no key.
    **Source:** Watanabe (2018), sections 1.6 to 1.8.

    >>> coin = conjugate.bernoulli(1.0, 1.0)
    >>> found = conjugate_experiment(jax.random.key(0), dist.Bernoulli(0.3), coin, 10, datasets=50)
    >>> found.training.shape, bool((found.cv >= found.training).all())
    ((50,), True)
    """
    check_beta(beta)
    n, datasets = _check_sizes(key, n, datasets)
    if inputs is None:
        x, weights = nodes(truth)
        new = (x,)
    else:
        per_input = [nodes(truth(x)) for x in jnp.asarray(inputs)]
        new = (np.repeat(inputs, [len(y) for y, _ in per_input], axis=0), np.concatenate([y for y, _ in per_input]))
        weights = np.concatenate([w for _, w in per_input]) / len(per_input)
    proper = bool(in_input_precision(partial(formulas.is_proper, family.log_normalizer), family.eta))
    keys = jax.random.split(key, datasets)
    found = _conjugate(replace(family, eta=None), n, truth, keys, inputs, family.eta, beta, new, weights)
    return _finite(found if proper else found._replace(free_energy=np.full(datasets, np.nan)), proper)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _conjugate(family, n, truth, keys, inputs, eta, beta, new, weights):
    """`Observables` of one data set for each key; one program for all priors and temperatures of a model."""
    triple, model = Triple(truth, lambda *x, w: dist.Normal(w), {"w": dist.Normal()}, inputs), family.model

    def one(key):
        data = check_data(family, draw_data(key, triple, n))
        eta_hat = formulas.update(model, jnp.asarray(eta), beta, *data)
        training = -formulas.predictive(model, eta_hat, *data).mean()
        variance = formulas.variance(model, eta_hat, *data).sum()
        return Observables(
            generalization=-weights @ formulas.predictive(model, eta_hat, *new),
            training=training,
            cv=-formulas.left_out(model, eta_hat, beta, *data).mean(),
            waic=training + beta * variance / n,
            variance=variance,
            free_energy=-formulas.evidence(model, jnp.asarray(eta), beta, *data) / beta,
            empirical_entropy=empirical_entropy(triple, *data).mean(),
        )

    return jax.vmap(one)(keys)


def grid_experiment(
    key: jax.Array,
    triple: Triple,
    n: int,
    *,
    bounds: Mapping[str, tuple[float, float]],
    datasets: int = 100,
    points: int = 100,
    beta: float = 1.0,
) -> Observables:
    r"""Observables of any triple with up to three parameters on many data sets, posteriors by quadrature.

    $$C_n = -\frac1n \sum_i \log \frac{\mathbb{E}_w[p(X_i \mid w)^{1-\beta}]}{\mathbb{E}_w[p(X_i \mid w)^{-\beta}]}$$

    is exact here, because the averages are integrals and not samples; it assumes that the support of $p(\cdot \mid w)$
    does not depend on $w$.

    **Arguments:** `key`: a JAX key. `triple`: an unconditional triple with a one-dimensional truth. `n`: observations
    per data set. `bounds`, `points`: as in `slt.quadrature.posterior`. `datasets`: how many. `beta`: inverse
    temperature.
    **Returns:** `Observables` of arrays `(datasets,)`.
    **Raises:** `ValueError` and `SltWarning` as in `slt.quadrature.posterior`, and `ValueError` if the support moves
    with $w$ inside the box; `NotImplementedError` for a conditional triple; `TypeError` if `key` is no key.
    **Source:** Watanabe (2018), sections 1.6 and 1.7.

    >>> triple = Triple(dist.Normal(0, 1), lambda mu: dist.Normal(mu, 1), {"mu": dist.Normal(0, 1)})
    >>> found = grid_experiment(jax.random.key(0), triple, 5, bounds={"mu": (-6, 6)}, datasets=3)
    >>> found.waic.shape
    (3,)
    """
    check_beta(beta)
    n, datasets = _check_sizes(key, n, datasets)
    if triple.conditional:
        raise NotImplementedError("grid_experiment handles triples without inputs; got a conditional one.")
    quadrature.check_box(triple, bounds)
    w, log_volume = quadrature.grid(bounds, points=points)
    x_new, weights = (jnp.asarray(a) for a in nodes(triple.truth))
    w, log_volume = {name: jnp.asarray(a) for name, a in w.items()}, jnp.asarray(log_volume)
    log_lik_new = jax.lax.map(
        lambda w: log_density(triple, w, x_new), w, batch_size=tile(len(log_volume), quadrature.BATCH)
    )
    if np.isneginf(log_lik_new).any():
        raise ValueError(
            "p(x | w) is zero for some w of the box and some x of the truth: where the support of p(.|w) depends on w, "
            "the leave-one-out loss of grid_experiment is not valid. Choose a box in which it does not, or use "
            "slt.quadrature.posterior, whose other observables are valid."
        )
    edges = quadrature.edge_nodes(triple, w, bounds, points)

    def one(key):
        data = draw_data(key, triple, n)
        log_lik, log_weights, log_evidence = quadrature.weigh(triple, w, log_volume, data, beta)
        training = training_loss(log_lik, log_weights=log_weights).mean()
        variance = functional_variance(log_lik, log_weights=log_weights).sum()
        found = Observables(
            generalization=weights @ generalization_loss(log_lik_new, log_weights=log_weights),
            training=training,
            cv=cv_loss(log_lik, beta=beta, method="plain", log_weights=log_weights).mean(),
            waic=training + beta * variance / n,
            variance=variance,
            free_energy=-log_evidence / beta,
            empirical_entropy=empirical_entropy(triple, *data).mean(),
        )
        at_edges = {edge: jnp.exp(log_weights[inside]).sum() for edge, inside in edges.items()}
        return found, quadrature.accuracy(log_weights, len(w)), at_edges

    run = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=tile(datasets, MAP_BATCH)))
    found, error, at_edges = run(jax.random.split(key, datasets))
    for edge, mass in at_edges.items():
        quadrature.warn_at_edges(edge, np.asarray(mass))
    found = _finite(found, True)
    quadrature.warn_if_coarse(np.asarray(error))
    return found


def _check_sizes(key: Any, n: Any, datasets: Any) -> tuple[int, int]:
    check_key(key)
    return check_whole("n", n, 1), check_whole("datasets", datasets, 1)


def _finite(found: Observables, proper: bool) -> Observables:
    """NumPy arrays; an error where a posterior was improper or had no mass on the grid."""
    out = Observables(*(np.asarray(a) for a in found))
    for name, values in out._asdict().items():
        bad = ~np.isfinite(values)
        if bad.any() and (proper or name != "free_energy"):
            raise ValueError(
                f"{name} is not finite for {int(bad.sum())} of {bad.size} data sets (first: {int(np.argmax(bad))}): a "
                "posterior is improper, the box holds no mass, or the truth leaves the model's support. Use a proper "
                "prior, more observations, a wider box or another model."
            )
    return out
