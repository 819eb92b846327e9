r"""The sentences: what each diagnostic of an estimate says, with its number, its threshold and what to do."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from slt.local.result import ACCEPTANCE, DRIFT, ESS, RHAT, SHARE

Verdict = tuple[bool, str]
LOST = 0.01  # of the trajectories of NUTS; with 3 % lost linear networks still agreed with Gibbs draws to 1 %
MEMORIES = 20  # relaxation times of a flat direction that the draws of a chain should span


def verdicts(e: Any) -> list[Verdict]:
    """(good, sentence) for each diagnostic of an estimate, in the order in which to read them."""
    lost = ~np.isfinite(e.excess).all(1)
    if lost.any():
        bad = ~np.isfinite(e.excess)
        first = int(bad[lost].argmax(1).min())
        return [
            (
                False,
                f"diverged: {int(lost.sum())} of {len(lost)} chains left every bound (first at draw {first}): the step "
                f"{e.step:.3g} is too large for n beta = {e.n * e.beta:.4g}. Take a tenth of it; if that does not "
                "help, the loss is not finite somewhere near w*.",
            ),
            *_temperature(e),
        ]
    return [*_minimum(e), *_sign(e), *_mixing(e), *_bias(e), *_temperature(e)]


def _allowed(e: Any) -> float:
    return max(2 * e.se, SHARE * abs(e.estimate))


def _on_all_the_data(e: Any) -> bool:
    s = e.settings
    size = s.batch_size if s.eval_size is None else s.eval_size
    return s.sampler in ("mala", "nuts") or size is None or (s.eval_size or 0) >= e.n


def _minimum(e: Any) -> Iterator[Verdict]:
    fall = e.descent
    text = f"w*: the gradient of L_n has norm {e.gradient_norm:.2g}; down it n beta L_n falls by {e.descent:.2g}"
    if _on_all_the_data(e):  # else the noise of batches decides; a saddle has no gradient, but draws below it
        lowest = max(-e.n * e.beta * e.excess.min(), 0)
        fall = max(fall, lowest)
        text += f", and {(e.excess < 0).mean():.0%} of the draws lie below w*, the lowest by {lowest:.2g}"
    good = fall <= _allowed(e)
    if not good:
        text += (
            f" (at most {_allowed(e):.2g} wanted): w* is no minimum of L_n, and the estimate is lower by at least that "
            "much than from the minimum below it. Train further; if w* is the true parameter rather than a fitted one, "
            "expect a share of about 1 / log n."
        )
    yield good, text


def _sign(e: Any) -> Iterator[Verdict]:
    if e.estimate >= 0:
        return
    below = float((e.excess.mean(1) < 0).mean())
    reasons = []
    if e.descent > 0.1 * abs(e.estimate) or e.drift[0] < -2 * e.drift[1] or -e.estimate > 4 * e.se:
        reasons.append(
            f"w* is not a minimum (the gradient alone leads {e.descent:.2g} down; {below:.0%} of the chains lie below "
            f"w* on average): train further, or raise gamma from {e.gamma:.3g}"
        )
    if -e.estimate <= 4 * e.se:
        reasons.append(f"noise ({-e.estimate / e.se:.1f} standard errors below zero): more draws, larger batches")
    if not e.acceptance >= ACCEPTANCE[e.settings.sampler]:
        reasons.append(f"a step too large (acceptance {e.acceptance:.2f}): lower it")
    yield False, f"negative: {e.estimate:.3g} ± {e.se:.2g}. A coefficient is positive. Seen: {'; '.join(reasons)}."


def _mixing(e: Any) -> Iterator[Verdict]:
    r, size = e.rhat, e.ess
    memory = _memory(e)
    text = f"R-hat {r:.3f} (at most {RHAT})"
    fix = ": no chain has moved." if np.isnan(r) else ": chains disagree. Draw longer, or raise thin= or gamma=."
    yield r <= RHAT, text + ("" if r <= RHAT else fix + memory)
    text = f"ESS {size:.0f} (at least {ESS})"
    yield size >= ESS, text + ("" if size >= ESS else ": too few independent draws. Raise draws= or thin=." + memory)
    change, error = e.drift
    good = abs(change) <= max(DRIFT * error, SHARE * abs(e.estimate))
    text = f"drift {change:+.2g} ± {error:.2g} between the halves of the draws"
    yield good, text + ("" if good else ": the chains have not arrived. Raise burn_in=.")


def _memory(e: Any) -> str:
    """Where gamma alone holds a direction, u' = (1 - eps gamma / 2) u + noise forgets in 2 / (eps gamma) steps."""
    s = e.settings
    if s.sampler == "nuts" or e.step * e.gamma * s.draws * s.thin >= 2 * MEMORIES:
        return ""
    if not e.gamma:
        return (
            " With gamma = 0 nothing holds the flat directions, and the chains wander along them for ever: raise gamma."
        )
    return (
        f" Flat directions are held by gamma = {e.gamma:.3g} alone and forget in {2 / (e.step * e.gamma):.2g} steps, "
        f'of which the draws span {s.draws * s.thin}: where all the data fit into a gradient, sampler="nuts" goes '
        "there at once."
    )


def _bias(e: Any) -> Iterator[Verdict]:
    least = ACCEPTANCE[e.settings.sampler]
    good = e.acceptance >= least
    text = f"acceptance {e.acceptance:.3f} of a Metropolis test (at least {least})"
    yield good, text + ("" if good else f": the step {e.step:.3g} is too large. Halve it until this is met.")
    yield from _lost(e)
    good = abs(e.step_bias) <= max(e.se, SHARE * abs(e.estimate))
    text = f"step and batches raise the estimate by about {e.step_bias:.2g}; without it {e.corrected:.4g}"
    yield good, text + ("" if good else ": halve the step, or enlarge the batches.")
    good = abs(e.gamma_slope) <= max(2 * e.se, SHARE * abs(e.estimate))
    text = f"gamma: per factor e the estimate changes by {e.gamma_slope:.2g}"
    yield good, text + ("" if good else f": the localization gamma = {e.gamma:.3g} matters. Sweep it.")


def _lost(e: Any) -> Iterator[Verdict]:
    """Trajectories of NUTS whose energy was lost, and proposals of MALA whose loss is NaN: it refuses them silently."""
    steps = e.distance.shape[0] * e.settings.draws * e.settings.thin
    if e.settings.sampler == "mala" and e.divergences:
        yield (
            False,
            f"nan: the loss is NaN at {e.divergences} of {steps} proposals, which are refused: the estimate is that of "
            "the region where it is a number. Mend the loss; if it overflows there, lower the step.",
        )
    if e.settings.sampler != "mala" and e.divergences > LOST * steps:
        yield (
            False,
            f"divergences: {e.divergences} trajectories lost their energy, more than {LOST:.0%} of the draws: NUTS "
            "does not reach part of the posterior, or the loss is not finite in it. Raise gamma=, or burn_in= so that "
            "the step adapts further.",
        )


def _temperature(e: Any) -> Iterator[Verdict]:
    good = e.beta <= 10
    if not good:
        yield (
            False,
            f"beta = {e.beta:.4g} is far above 1 / log n = {1 / np.log(e.n):.3g}: was n beta meant? beta is the "
            "inverse temperature alone.",
        )
