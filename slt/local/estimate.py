"""The front door: a loss, its parameters and its data in, a local learning coefficient with its error out."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import SltWarning
from slt.local import inputs
from slt.local.chains import run
from slt.local.result import Estimate
from slt.local.settings import DEFAULT, Settings
from slt.local.start import start


def local_learning_coefficient(
    key: jax.Array,
    loss: Any,
    params: Any,
    data: Any,
    *,
    step: float,
    gamma: float = 1.0,
    beta: float | None = None,
    mask: Any = None,
    settings: Settings = DEFAULT,
) -> Estimate:
    r"""Local learning coefficient at a parameter $w^*$, for any JAX loss over any pytree.

    $$\hat\lambda(w^*) = n\beta\,\bigl(\mathbb{E}[L_n(w)] - L_n(w^*)\bigr), \qquad
    w \sim \exp\bigl(-n\beta L_n(w) - \tfrac{\gamma}{2}\|w - w^*\|^2\bigr)$$

    The unit of the loss matters: $L_n$ is a mean *negative log-likelihood*, in nats per observation. A squared error
    is one only as $\frac{1}{2\sigma^2}(y - f)^2$: without the half and $\sigma^2$ the coefficient is that of another
    temperature. At finite $n$ the estimate's expectation is not $\lambda$ yet: at a true parameter of a regular model
    with $d$ parameters it is $\frac d2 (1 - 1/\log n)$, at the minimum of $L_n$ it is $\frac d2$, and where the
    multiplicity $m$ exceeds 1, about $(m - 1)/\log(n\beta)$ is missing.

    **Arguments:** `key`: a JAX key. `loss`: `loss(params, batch)`, the mean loss of a batch of any size, one number;
    pass the same function object again and nothing is compiled again. `params`: $w^*$, any pytree of floating arrays.
    `data`: a pytree of arrays whose first axis runs over the $n$ observations. `step`: $\varepsilon$ of the sampler; on
    a quadratic loss of curvature $h$ it must stay below $4/(n\beta h + \gamma)$. `gamma`: pull towards $w^*$. `beta`:
    the inverse temperature itself, not $n\beta$; `None` for $1/\log n$. `mask`: booleans, a tree like `params` or a
    prefix of it; `False` holds coordinates at $w^*$ (a restricted coefficient). `settings`: sampler, chains, burn-in,
    draws, batches.
    **Returns:** an `Estimate`: `estimate`, its standard error `se`, `per_chain`, the traces, `rhat`, `ess`,
    `acceptance`, `step_bias`, `gamma_slope` and `check()`, the verdict in words. It is never clipped at zero.
    **Raises:** `TypeError` or `ValueError` for bad input: no $n$, a loss that is no number, is not finite at $w^*$ or
    is a sum, a $\beta$ that is $n\beta$. Warns (`SltWarning`) where a diagnostic fails, with its number.
    **Source:** Lau, Furman, Wang, Murfet and Wei (2025); Welling and Teh (2011).

    >>> x = np.random.default_rng(0).normal(size=(500, 2))
    >>> loss = lambda w, x: 0.5 * ((x - w) ** 2).sum(1).mean()  # two regular parameters: 1 at the minimum
    >>> fit = local_learning_coefficient(jax.random.key(0), loss, x.mean(0), x, step=0.003)
    >>> bool(abs(fit.corrected - 1.0) < 4 * fit.se < 0.4)
    True
    """
    inputs.check_key(key)
    fit = fitter(loss, params, data, beta, mask, settings)(key, step, gamma)
    if problems := fit.problems():
        warnings.warn(f"local learning coefficient {fit.estimate:.4g}: {' Also, '.join(problems)}", SltWarning, 2)
    return fit


def fitter(loss: Any, params: Any, data: Any, beta: Any, mask: Any, settings: Any) -> Callable[..., Estimate]:
    """Everything checked but key, step and gamma; the function of these three that runs both programs."""
    inputs.check_loss(loss)
    if not isinstance(settings, Settings):
        raise TypeError(f"settings must be slt.local.Settings(...); got {type(settings).__name__}.")
    w = inputs.check_params(params)
    x, n = inputs.check_data(data)
    free = inputs.check_mask(mask, w)
    numpy_in = not any(isinstance(a, jax.Array) for a in jax.tree.leaves((w, x)))
    dimension = sum(
        int(np.sum(m)) if mask is not None else m.size for m in jax.tree.leaves(w if mask is None else free)
    )
    batches = settings.batch_size is not None or (settings.eval_size is not None and settings.eval_size < n)

    def fit(key: Any, step: float, gamma: float) -> Estimate:
        used = inputs.check_numbers(step, gamma, beta, n)
        n_beta = n * used
        with jax.enable_x64(numpy_in or jax.config.jax_enable_x64):  # pyright: ignore[reportAttributeAccessIssue]
            at, among, moving = jax.tree.map(jnp.asarray, (w, x, free))
            first = start(loss, batches, at, among, moving, step * n_beta / 2)
            _check_start(first)
            program = _program(settings.sampler)
            steps = program(key, loss, settings, at, among, (first.baseline, first.rows, moving), (step, gamma, n_beta))
        excess, distance, bias, acceptance = (np.asarray(a, dtype=np.float64) for a in steps[:4])
        return Estimate(
            excess=excess,
            distance=distance,
            bias=bias,
            acceptance=float("nan") if np.isnan(acceptance).all() else float(np.nanmean(acceptance)),
            baseline=float(first.baseline),
            gradient_norm=float(first.gradient_norm),
            descent=n_beta * float(first.descent),
            dimension=dimension,
            n=n,
            beta=used,
            gamma=float(gamma),
            step=float(step),
            settings=settings,
            divergences=0 if steps.diverging is None else int(steps.diverging.sum()),
        )

    return fit


def _program(sampler: str) -> Callable[..., Any]:
    """The compiled chains of a sampler; NumPyro is loaded only for its own."""
    if sampler != "nuts":
        return run
    from slt.local.nuts import run_nuts

    return run_nuts


def _check_start(first: Any) -> None:
    """Raise `ValueError` where the loss is not finite at w*, or is no mean over the observations."""
    if not np.isfinite(first.baseline) or not np.isfinite(first.gradient_norm):
        bad = int((~np.isfinite(np.asarray(first.rows))).sum())
        where = f" ({bad} of {first.rows.size} observations by themselves)" if bad else ""
        raise ValueError(
            f"the loss at w* is {float(first.baseline)} and its gradient has norm {float(first.gradient_norm)}{where}: "
            "both must be finite. Look for a logarithm of zero, a division by zero or a square root at zero."
        )
    kind = np.asarray([first.few, first.singles, first.scale], dtype=float)
    for together, alone, scale in kind.T:
        if abs(together - alone) > 1e-3 * scale:
            raise ValueError(
                f"loss must be a mean over the batch: of a few observations together it is {together:.6g}, the mean of "
                f"their single losses is {alone:.6g} (ratio {together / alone:.3g}). A sum must be divided by the "
                "number of observations; a loss that ties observations together has no n."
            )
