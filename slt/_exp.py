r"""$e^{d}$ and $e^{-d}$ together, for the price of one exponential (floor 0).

With $d = k \log 2 + r$, $k$ an integer and $|r| \le \tfrac12 \log 2$,

$$e^{\pm d} = 2^{\pm k} (\cosh r \pm \sinh r),$$

and one pair of short series in $r^2$ serves both signs; no division is needed.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LIMIT = {4: 87.0, 8: 708.0}  # by bytes of an entry: beyond it, one of the two is no normal number
MANTISSA = {4: 23, 8: 52}
DEGREE = {4: 3, 8: 6}  # in r^2: what the series leave out is below a rounding error for |r| <= log(2) / 2
COSH = {size: [1 / math.factorial(2 * j) for j in range(degree + 1)] for size, degree in DEGREE.items()}
SINH = {size: [1 / math.factorial(2 * j + 1) for j in range(degree + 1)] for size, degree in DEGREE.items()}


def exp_pair(d: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$e^{d}$ and $e^{-d}$, each to a relative error of $(8 + |d|)\epsilon$, that of a rounding of $d$.

    **Arguments:** `d`: float32 or float64, any shape; what lies beyond $\pm 87$ or $\pm 708$ is moved there, so that
    the result is astronomically large or small, and is not the exponential.
    **Returns:** the two, in the dtype of `d`.
    **Source:** elementary.

    >>> up, down = exp_pair(jnp.array([1.0, -2.0], jnp.float32))
    >>> [round(float(e), 4) for e in (*up, *down)]
    [2.7183, 0.1353, 0.3679, 7.3891]
    """
    size = d.dtype.itemsize
    kind, integer = (np.float64, np.int64) if size == 8 else (np.float32, np.int32)
    d = jnp.clip(d, -kind(LIMIT[size]), kind(LIMIT[size]))
    # Rounded by an instruction of its own: "add a large number and subtract it" is a sum that some compilers of JAX
    # (0.8 among them) simplify away. Added to `magic`, the integer stands in the last bits of the sum.
    magic = kind(1.5 * 2.0 ** MANTISSA[size])
    whole = jax.lax.round(d * kind(1 / math.log(2)), jax.lax.RoundingMethod.TO_NEAREST_EVEN)
    r = d - whole * kind(math.log(2))
    even, odd = (_horner([kind(c) for c in table[size]], r * r) for table in (COSH, SINH))
    odd = odd * r
    one, k = kind(1).view(integer), jax.lax.bitcast_convert_type(whole + magic, integer) << MANTISSA[size]
    power, inverse = (jax.lax.bitcast_convert_type(bits, kind) for bits in (one + k, one - k))
    return (even + odd) * power, (even - odd) * inverse


def _horner(coefficients: list[Any], z: jax.Array) -> Any:
    value: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * z + c
    return value
