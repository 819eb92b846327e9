r"""The sums over draws behind $T$, $C$, $W$ and $V$, each matrix entry read once (floor 1).

Tiles of columns run side by side on the processor's cores. In a tile every column is shifted by the mean $c_i$ of a few
of its entries, $d_{si} = \ell_{si} - c_i$, and its sums are kept in float64 while the rows go by. At $\beta = 1$ the
exponentials of $T$ and $C$ are computed as a pair. The sums are trusted only where they stayed far from overflow and
underflow; what remains is for the caller to do the careful way.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from mmap import mmap
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt._exp import exp_pair
from slt._work import free_memory, tile, workers

WIDTH = 2048  # columns of a tile: its sums stay in the nearest cache
UNROLL = 8  # rows added in the matrix's precision before they join the float64 sums
COPY = 2**25  # bytes copied at a time when the matrix is not laid out row after row
BAND = 2**29  # bytes of whole rows read at a time from a file that is larger than the free memory
PILOTS = 8  # rows whose mean is the shift
LINE = 16  # entries of float32 in a line of the cache
ALIGNMENT = 64  # bytes: an array that starts there is read in place


class Sums(NamedTuple):
    """Averages over draws for each column, shape `(n,)`, float64; `safe` says where they can be trusted."""

    shift: np.ndarray
    likelihood: np.ndarray  # of exp(d)
    inverse: np.ndarray  # of exp(-beta d)
    rest: np.ndarray  # of exp((1 - beta) d)
    mean: np.ndarray
    square: np.ndarray
    safe: np.ndarray


def sums(a: np.ndarray, weights: np.ndarray | None, beta: float) -> Sums:
    r"""Averages of $e^d$, $e^{-\beta d}$, $e^{(1-\beta)d}$, $d$ and $d^2$ over the draws.

    **Arguments:** `a`: shape `(draws, n)`, any layout, float16 to float64. `weights`: shape `(draws,)`, summing to one,
    or `None`. `beta`: inverse temperature.
    **Returns:** `Sums`. A column is not `safe` if one of its entries is not finite, if its entries lie too far apart
    for one shift, or if its variance would lose digits; it is then to be computed another way.
    **Source:** elementary.

    >>> s = sums(np.log(np.array([[0.5], [0.25]])), None, 1.0)
    >>> [round(float((np.exp(s.shift) * s.likelihood)[0]), 6), round(float((np.exp(-s.shift) * s.inverse)[0]), 6)]
    [0.375, 3.0]
    """
    dtype = np.dtype(np.float64 if a.dtype.itemsize >= 8 else np.float32)
    if weights is None:
        pilots = np.linspace(0, len(a) - 1, min(PILOTS, len(a))).astype(int)
    else:
        pilots = np.argsort(-weights, kind="stable")[:PILOTS]
    leading, shift, rest = a[pilots], np.empty(0), []
    for rows, band in _bands(a):
        of_band = None if weights is None else weights[rows]
        tiles = _run(band, leading, dtype, of_band, float(beta))
        parts = [[p[lo - start :] for p in part] for start, lo, part in tiles]
        shift, *more = (np.concatenate(p) for p in zip(*parts, strict=True))
        rest = [r + m for r, m in zip(rest, more, strict=True)] if rest else more
    # The reciprocal of a number that lost digits to underflow is beyond these bounds, whatever its weight.
    bound, digits = (1e280, 1e4) if dtype == np.float64 else (1e25, 1e2)
    if weights is None:
        rest = [r / len(a) for r in rest]
    likelihood, inverse, remaining, mean, square = rest
    remaining = np.ones_like(mean) if beta == 1 else remaining
    with np.errstate(all="ignore"):
        safe = square <= digits * (square - mean**2)
        for s in (likelihood, inverse, remaining):
            safe &= (s > 1 / bound) & (s < bound)
    return Sums(shift, likelihood, inverse, remaining, mean, square, safe)


def _bands(a: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """All rows; of a file that memory cannot keep, some rows at a time, so that each of its pages is read once."""
    owner: Any = a
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if not (isinstance(owner, mmap) and a.flags.c_contiguous and a.nbytes > (free_memory() or np.inf)):
        yield slice(None), a
        return
    height = tile(len(a), max(1, BAND * len(a) // a.nbytes))
    for lo in range(0, len(a), height):
        yield slice(lo, lo + height), np.array(a[lo : lo + height])


def _run(a: np.ndarray, leading: np.ndarray, dtype: np.dtype, weights: np.ndarray | None, beta: float) -> Iterator:
    """For each tile: the first column computed, the first one wanted, and its sums."""
    with ThreadPoolExecutor(workers()) as pool:
        for start, block in _blocks(a, dtype):
            n = block.shape[1]
            width = _width(n)
            # A misaligned array is read from its first aligned entry on; row 0 is handed over separately anyway.
            offset = -block.ctypes.data % ALIGNMENT // dtype.itemsize
            offset = offset if offset <= n else 0
            flat = block.reshape(-1)[offset:]
            tiles = [min(lo, n - width) for lo in range(0, n, width)]

            def one(lo: int, block=block, flat=flat, n=n, offset=offset, width=width, start=start):
                with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]), np.errstate(all="ignore"):
                    columns = slice(lo, lo + width)
                    shift = leading[:, start + lo : start + lo + width].mean(0, dtype=np.float64).astype(dtype)
                    x = jax.device_put(flat, may_alias=True)
                    options = {"width": width, "plain": beta == 1}
                    w = None if weights is None else weights.astype(dtype)
                    out = _tile(x, block[0, columns], shift, lo - offset, block.shape, w, beta, **options)
                    return [shift.astype(np.float64), *(np.asarray(o) for o in out)]

            done = start
            for lo, part in zip(tiles, pool.map(one, tiles), strict=True):
                yield start + lo, done, part
                done = start + lo + width


def _width(n: int) -> int:
    """Columns of a tile, at most `WIDTH`: as many tiles for each core, of one length, hardly overlapping.

    On two cores 2097 columns are two tiles of 1056; two of 2048 would read nearly all of them twice.
    """
    count = -(-n // WIDTH // workers()) * workers()
    return min(n, -(-n // count // LINE) * LINE)


def _blocks(a: np.ndarray, dtype: np.dtype) -> Iterator[tuple[int, np.ndarray]]:
    """The matrix itself where its rows follow each other, else copies of some columns at a time."""
    if a.flags.c_contiguous and a.dtype == dtype and a.dtype.isnative:
        yield 0, a
        return
    width = max(1, COPY // (len(a) * dtype.itemsize))
    for lo in range(0, a.shape[1], width):
        yield lo, np.ascontiguousarray(a[:, lo : lo + width], dtype=dtype)


# XLA uses half of a wide vector unit unless it is told; a processor without one ignores this.
@partial(jax.jit, static_argnames=("width", "plain"), compiler_options={"xla_cpu_prefer_vector_width": 512})
def _tile(x, first, shift, start, shape, weights, beta, *, width, plain):
    """Sums over the rows of one tile; row s >= 1 starts at entry `s * n + start` of `x`.

    Where `plain`, the third, a sum of ones, is left at zero: the caller knows it.
    """

    draws, n = shape
    beta = jnp.asarray(beta).astype(x.dtype)

    def distance(s):
        return jax.lax.dynamic_slice(x, (s * n + start,), (width,)) - shift

    def add(total, d, rows):
        if plain and weights is None:  # what exp_pair moved into its range is not safe: draws are few against 1e24
            pairs = [exp_pair(v) for v in d]
            e, inverse, rest = [p[0] for p in pairs], [p[1] for p in pairs], None
        elif plain:
            e = [jnp.exp(v) for v in d]
            inverse, rest = [1 / v for v in e], None
        else:
            e = [jnp.exp(v) for v in d]
            inverse, rest = [jnp.exp(-beta * v) for v in d], [jnp.exp((1 - beta) * v) for v in d]
        terms = [e, inverse, rest, d, [v * v for v in d]]
        if weights is not None:
            terms = [t and [weights[s] * v for s, v in zip(rows, t, strict=True)] for t in terms]
        # A plain sum of a few rows in the matrix's precision, then one conversion.
        return tuple(
            t if v is None else t + sum(v[1:], v[0]).astype(jnp.float64) for t, v in zip(total, terms, strict=True)
        )

    total = tuple(jnp.zeros(width, jnp.float64) for _ in range(5))
    total = add(total, [first - shift], [0])
    loops = (draws - 1) // UNROLL

    def body(k, total, begin, step):
        rows = [begin + k * step + j for j in range(step)]
        return add(total, [distance(s) for s in rows], rows)

    total = jax.lax.fori_loop(0, loops, partial(body, begin=1, step=UNROLL), total)
    done = 1 + loops * UNROLL
    total = jax.lax.fori_loop(0, draws - done, partial(body, begin=done, step=1), total)
    return total
