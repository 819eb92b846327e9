"""ArviZ 0.23: the last line with `waic`."""

import arviz as az
import numpy as np

_trees = {}


def version():
    return f"ArviZ {az.__version__}"


def load(path):
    """Read the matrix once; not timed with the criteria."""
    matrix = np.load(path)
    posterior = {"w": np.zeros((1, len(matrix)))}
    _trees[path] = az.from_dict(posterior=posterior, log_likelihood={"y": matrix[None]})
    return matrix.shape


def waic(path):
    found = az.waic(_trees[path], pointwise=True)
    return np.asarray(found.waic_i)


def loo(path):
    found = az.loo(_trees[path], pointwise=True)
    return np.asarray(found.loo_i), np.asarray(found.pareto_k)
