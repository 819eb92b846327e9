"""What a user passes, checked: key, loss, parameters, data, mask and numbers; every refusal stands here."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt._arrays import check_beta


def check_key(key: Any) -> None:
    """Raise `TypeError` unless `key` is a JAX key."""
    if not isinstance(key, jax.Array) or not (
        jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or (key.dtype == jnp.uint32 and key.shape == (2,))
    ):
        raise TypeError(f"key must be a JAX key, the first argument; got {type(key).__name__}. Use jax.random.key(0).")


def check_loss(loss: Any) -> None:
    """Raise `TypeError` unless `loss` is a hashable function: compiled programs are kept by it."""
    if not callable(loss):
        raise TypeError(f"loss must be a function loss(params, batch) -> mean loss in nats; got {type(loss).__name__}.")
    try:
        hash(loss)
    except TypeError as error:
        raise TypeError(
            f"loss must be hashable, since its compiled program is kept; got a {type(loss).__name__} that is not. "
            "Wrap it in a function: def loss(params, batch): return ..."
        ) from error


def check_numbers(step: Any, gamma: Any, beta: Any, n: int) -> float:
    """The inverse temperature, $1/\\log n$ where none is given; `ValueError` for a number out of its range."""
    if not (np.ndim(step) == 0 and np.isfinite(step) and step > 0):
        raise ValueError(f"step must be a positive number, the epsilon of the sampler; got {step!r}.")
    if not (np.ndim(gamma) == 0 and np.isfinite(gamma) and gamma >= 0):
        raise ValueError(
            f"gamma must be a number >= 0, the strength of the pull (gamma/2)|w - w*|^2 towards w*; got {gamma!r}."
        )
    usual = 1 / np.log(n)
    if beta is None:
        return float(usual)
    check_beta(beta)
    if beta > 5 and np.isclose(beta, n * usual, rtol=0.01):
        raise ValueError(
            f"beta={beta!r} looks like n beta = n / log n = {n * usual:.4g}. beta is the inverse temperature itself, "
            f"usually 1 / log n = {usual:.4g}; the factor n = {n} is the data's. Leave beta out."
        )
    return float(beta)


def arrays(tree: Any, name: str) -> Any:
    """The tree with arrays as leaves, JAX arrays as they are and the rest through NumPy."""

    def convert(path, leaf):
        if isinstance(leaf, jax.Array):
            return leaf
        try:
            a = np.asarray(leaf)
        except Exception as error:
            raise TypeError(
                f"{_at(name, path)} cannot become an array: {error} (a PyTorch tensor: .detach().cpu().numpy())."
            ) from error
        if a.dtype.kind not in "fiub" and not jnp.issubdtype(a.dtype, jnp.floating):
            raise TypeError(
                f"{_at(name, path)} must be a number or an array of numbers; got {type(leaf).__name__}. Parts that are "
                "no arrays (functions, names) belong into the loss, not into the parameters or the data."
            )
        return a

    return jax.tree_util.tree_map_with_path(convert, tree)


def check_params(params: Any) -> Any:
    """The parameters as arrays, all floating and finite, at least one of them."""
    tree = arrays(params, "params")
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    if not sum(leaf.size for _, leaf in leaves):
        raise ValueError("params holds no number: pass the pytree of arrays at which the coefficient is wanted.")
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(
                f"{_at('params', path)} must be floating; got {leaf.dtype}. Whole numbers and flags are no coordinates "
                "of a parameter: keep them in the loss."
            )
        _check_finite(leaf, _at("params", path))
    return tree


def check_data(data: Any) -> tuple[Any, int]:
    """The data as arrays and their number $n$: the length of the first axis, the same in every leaf."""
    tree = arrays(data, "data")
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    shapes = {_at("data", path): leaf.shape for path, leaf in leaves}
    if not shapes or any(len(shape) == 0 for shape in shapes.values()):
        raise ValueError(
            f"data must be arrays whose first axis runs over the n observations; got {shapes or 'nothing'}: there is "
            "no n, and n beta needs it. Pass for instance the pair (x, y)."
        )
    lengths = {shape[0] for shape in shapes.values()}
    if len(lengths) > 1:
        raise ValueError(f"data must have the same first axis n in every array; got {shapes}.")
    n = lengths.pop()
    if n < 3:
        raise ValueError(f"data has n = {n} observation(s): {shapes}. beta = 1 / log n needs more than two.")
    for path, leaf in leaves:
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            _check_finite(leaf, _at("data", path))
    return tree, n


def check_mask(mask: Any, params: Any) -> Any:
    """The mask as a tree of boolean arrays of the parameters' shapes, or `None`."""
    if mask is None:
        return None

    def widen(path, m, p):
        a = np.asarray(m)
        if a.dtype != bool or a.shape not in ((), p.shape):
            raise ValueError(
                f"{_at('mask', path)} must be True, False or booleans of shape {p.shape}; got {a.dtype} of shape "
                f"{a.shape}. True lets a coordinate move, False holds it at w*."
            )
        return np.broadcast_to(a, p.shape)

    try:
        tree = jax.tree.broadcast(mask, params)
    except ValueError as error:
        raise ValueError(
            f"mask must be a tree of the shape of params, or a prefix of it: {jax.tree.structure(params)}; got "
            f"{jax.tree.structure(mask)}."
        ) from error
    out = jax.tree_util.tree_map_with_path(widen, tree, params)
    if not any(m.any() for m in jax.tree.leaves(out)):
        raise ValueError("mask holds every coordinate fixed: at least one must be True (free to move).")
    return out


def _check_finite(leaf: Any, name: str) -> None:
    bad = ~np.isfinite(np.asarray(leaf, dtype=np.float64))
    if bad.any():
        first = tuple(np.argwhere(bad)[0].tolist())
        raise ValueError(f"{name} must be finite; {int(bad.sum())} of {bad.size} entries are not (first at {first}).")


def _at(name: str, path: Any) -> str:
    return name + jax.tree_util.keystr(path)
