"""Processes that `jax.distributed` has joined: whether they do the same, and what each has found (floor 0)."""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def gather(array: np.ndarray) -> np.ndarray:
    """The arrays of all processes, all of one shape, as `(processes, ...)` on each of them, bit by bit."""
    if jax.process_count() == 1:
        return array[None]
    firsts = [next(d for d in jax.devices() if d.process_index == p) for p in range(jax.process_count())]
    mesh = Mesh(np.array(firsts), ("process",))  # one device of each: they may have different numbers
    raw = np.frombuffer(array.tobytes(), np.uint8)[None]  # bytes: JAX would round float64 where that is off
    here = jax.device_put(raw, firsts[jax.process_index()])
    shape, by_process = (len(firsts), raw.size), NamedSharding(mesh, PartitionSpec("process"))
    whole = jax.make_array_from_single_device_arrays(shape, by_process, [here])
    every = jax.jit(lambda a: a, out_shardings=NamedSharding(mesh, PartitionSpec()))(whole)
    found = np.asarray(every.addressable_data(0))
    return np.frombuffer(found.tobytes(), array.dtype).reshape(len(firsts), *array.shape)


def check_alike(digest: str) -> None:
    """Raise `ValueError` unless all processes have come here with the same digest."""
    every = gather(np.frombuffer(digest.encode(), np.uint8))
    differ = np.flatnonzero((every != every[0]).any(1))
    if differ.size:
        raise ValueError(
            f"process {differ[0]} runs another experiment than process 0. All processes must call with the same key, "
            "model and options."
        )
