"""How the chains run: everything but the step, the localization, the temperature and the mask."""

from dataclasses import dataclass

import numpy as np

SAMPLERS = ("sgld", "psgld", "mala", "nuts")
ADAPTS = ("psgld", "nuts")  # in burn-in


@dataclass(frozen=True, kw_only=True)
class Settings:
    r"""How the chains of `slt.local_learning_coefficient` run.

    With $u = w - w^*$, $\nabla U = n\beta\,\nabla L_B(w) + \gamma u$ on a batch $B$, and $\xi \sim N(0, I)$, a step is

    $$u \leftarrow u - \frac{\varepsilon}{2} A\, \nabla U + \sqrt{\varepsilon}\, A^{1/2} \xi$$

    with $A = I$ (`"sgld"`); with a diagonal $A$ learned from the squared gradients during burn-in and fixed
    afterwards, of mean one (`"psgld"`, the RMSprop rule without its drift term, which a fixed $A$ does not need); or
    with $A = I$ and a Metropolis test that removes the bias of the step (`"mala"`, on all the data). `"nuts"` follows
    whole trajectories of a Hamiltonian on all the data; its leapfrog step starts at $\sqrt\varepsilon$ and adapts, with
    a diagonal metric, in burn-in; then every fourth draw takes an eighth of that step, which enters necks. A draw
    of it costs many gradients, and is worth far more of the other samplers' steps where flat directions are long.

    **Arguments:** `sampler`: one of the four. `chains`: independent chains, at least 2: one alone cannot show that
    it is stuck. `burn_in`: steps before the first draw, excluded from every figure. `draws`: kept per chain. `thin`:
    steps from one draw to the next. `batch_size`: observations in a gradient, drawn afresh with replacement at each
    step; `None` for all of them. `eval_size`: observations on which a draw's loss is measured, drawn apart from the
    gradient's (at least $n$: all the data); `None` measures it on the batch of the gradient that is taken there, which
    costs nothing and is unbiased, since that batch is drawn after $w$ (`"mala"` and `"nuts"` measure it on all
    the data).
    **Raises:** `ValueError` for an option out of its range, and for `"mala"` or `"nuts"` with batches.
    **Source:** Welling and Teh (2011); Li, Chen, Carlson and Carin (2016); Roberts and Tweedie (1996);
    Hoffman and Gelman (2014), whose transition is NumPyro's.

    >>> Settings(chains=8, batch_size=128).draws
    1000
    """

    sampler: str = "sgld"
    chains: int = 4
    burn_in: int = 1000
    draws: int = 1000
    thin: int = 1
    batch_size: int | None = None
    eval_size: int | None = None

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(map(repr, SAMPLERS))}; got {self.sampler!r}.")
        least = {"chains": 2, "burn_in": 0, "draws": 4, "thin": 1, "batch_size": 1, "eval_size": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is None and name in ("batch_size", "eval_size"):
                continue
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < smallest:
                why = " One chain cannot show that it is stuck." if name == "chains" else ""
                raise ValueError(f"{name} must be a whole number, at least {smallest}; got {value!r}.{why}")
        if self.sampler in ("mala", "nuts") and self.batch_size is not None:
            raise ValueError(
                f'"{self.sampler}" accepts or refuses by the loss on all the data; got batch_size={self.batch_size}. '
                'Use batch_size=None, or sampler="sgld" with batches.'
            )
        if self.sampler in ADAPTS and self.burn_in < 100:
            raise ValueError(
                f'"{self.sampler}" learns its scales in burn-in: at least 100 steps; got burn_in={self.burn_in}.'
            )

    @property
    def steps(self) -> int:
        """Steps of each chain, burn-in included."""
        return self.burn_in + self.draws * self.thin


DEFAULT = Settings()
