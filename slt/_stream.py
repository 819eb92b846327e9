r"""The criteria where the log-likelihood is a function, so that the matrix `(draws, n)` never exists (floor 4)."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from slt._arrays import LogWeights, check_beta, check_log_lik
from slt._criteria import Criteria, criteria
from slt._work import progress

ENTRIES = 2**23  # of the part of the matrix that exists at a time: 64 MB in float64


def stream_criteria(
    log_lik: Callable[..., Any],
    *data: Any,
    beta: float = 1.0,
    log_weights: LogWeights | None = None,
    tile: int | None = None,
) -> Criteria:
    r"""Training loss, cross-validation loss, WAIC and functional variance of a log-likelihood that is a function.

    $$T_n = -\frac1n \sum_{\text{tiles } B} \sum_{i \in B} \log \mathbb{E}_w[p(X_i \mid w)],
    \qquad C_n,\ W_n,\ V_n \text{ likewise}$$

    The function is called with one tile of the data after the other; a progress line appears in a terminal and in a
    notebook. The terms are those of `slt.criteria`.

    **Arguments:** `log_lik`: called as `log_lik(*data_tile)` with slices of the data, all of one length; returns
    $\log p(X_i \mid w_s)$, shape `(draws, length)`, NumPy or JAX. For a triple:
    `jax.jit(lambda x: jax.vmap(lambda w: slt.log_density(triple, w, x))(draws))`. `data`: arrays with a common first
    axis `n`; `np.arange(n)` to be called with indices. `beta`, `log_weights`: as in `slt.criteria`. `tile`: the length
    of a slice; `None` chooses one that keeps a part of the matrix below 64 MB.
    **Returns:** `Criteria`: four NumPy arrays of shape `(n,)`, as in `slt.criteria`.
    **Raises:** `ValueError` if the data are empty or of unequal length, if the function returns another shape than
    `(draws, length)` or other numbers of draws, and as in `slt.criteria`, with the tile that is wrong.
    **Source:** Watanabe (2018), section 1.6.

    >>> w = np.linspace(-1, 1, 100)[:, None]
    >>> found = stream_criteria(lambda x: -((x - w) ** 2) / 2, np.arange(1000) / 500, tile=64)
    >>> found.training.shape
    (1000,)
    """
    check_beta(beta)
    n = _length(data)
    draws, length = None, tile
    if length is None:  # one observation tells how many draws there are
        draws = _checked(log_lik(*(a[:1] for a in data)), None, slice(0, 1)).shape[0]
        length = max(1, ENTRIES // draws)
    if not (isinstance(length, int | np.integer) and length > 0):
        raise ValueError(f"tile must be a positive number of observations; got {tile!r}.")
    length = min(int(length), n)
    parts: list[np.ndarray] = []
    filled = 0
    for rows in progress(_tiles(n, length), -(-n // length), "criteria"):
        matrix = _checked(log_lik(*(a[rows] for a in data)), draws, rows)
        draws = matrix.shape[0]
        try:
            found = criteria(np.asarray(matrix), beta=beta, log_weights=log_weights)
        except ValueError as error:
            raise ValueError(f"in observations {rows.start} to {rows.stop - 1}: {error}") from error
        if not parts:
            parts = [np.empty(n, t.dtype) for t in found]
        new = slice(filled - rows.start, None)  # the last tile reaches back, so that all have one length
        for whole, term in zip(parts, found, strict=True):
            whole[filled : rows.stop] = term[new]
        filled = rows.stop
        del matrix  # so that the next tile takes its place in memory
    return Criteria(*parts)


def _tiles(n: int, length: int) -> Iterator[slice]:
    for lo in range(0, n, length):
        yield slice(min(lo, n - length), min(lo, n - length) + length)


def _length(data: tuple[Any, ...]) -> int:
    shapes = [np.shape(a) for a in data]
    if not shapes or any(not s or s[0] == 0 for s in shapes) or len({s[0] for s in shapes}) != 1:
        raise ValueError(
            f"data must be arrays with a common first axis of at least one observation; got shapes {shapes}. If the "
            "function wants indices, pass np.arange(n)."
        )
    return shapes[0][0]


def _checked(matrix: Any, draws: int | None, rows: slice) -> Any:
    """The tile of the matrix, or a `ValueError` that says what the function was to return."""
    got, length = np.shape(matrix), rows.stop - rows.start
    if len(got) != 2 or got[1] != length or (draws is not None and got[0] != draws):
        raise ValueError(
            f"log_lik must return shape ({draws or 'draws'}, {length}) for observations {rows.start} to "
            f"{rows.stop - 1}: one row per draw, one column per observation, the same draws each time; got {got}."
        )
    return check_log_lik(matrix, finite=False)
