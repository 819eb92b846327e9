r"""An independent expectation for linear networks: Gibbs draws of whole layers, in plain NumPy and without a gradient.

Given the others, layer $k$ of $\exp(-\frac{n\beta}{2} \|AW_kC - P^*\|^2 - \frac\gamma2 \|W_k - W_k^*\|^2)$ is normal.
Its precision $n\beta\, A^\top A \otimes CC^\top + \gamma$ is diagonal in the eigenvectors of $A^\top A$ and $CC^\top$.
"""

import functools

import numpy as np


def product(weights, side):
    """The product of matrices, shape `(chains, ., .)`, or the unit matrix of that side where there are none."""
    return functools.reduce(np.matmul, weights, np.eye(side)[None])


def gibbs(centre, n_beta, gamma, *, chains=100, burn_in=500, sweeps=2000, seed=0):
    r"""Mean of $n\beta K$ in each half of the sweeps, shape `(2, chains)`; chains start at the centre $w^*$."""
    rng = np.random.default_rng(seed)
    weights = [np.repeat(w[None], chains, axis=0) for w in centre]
    target = product(centre, len(centre[0]))
    swap = lambda a: a.transpose(0, 2, 1)  # noqa: E731
    total = np.zeros((2, chains))
    for t in range(burn_in + sweeps):
        for k, w in enumerate(centre):
            left, right = product(weights[:k], len(centre[0])), product(weights[k + 1 :], w.shape[1])
            a, u = np.linalg.eigh(swap(left) @ left)
            c, v = np.linalg.eigh(right @ swap(right))
            precision = n_beta * a.clip(0)[:, :, None] * c.clip(0)[:, None, :] + gamma
            pull = swap(u) @ (n_beta * swap(left) @ target @ swap(right) + gamma * w) @ v
            noise = rng.normal(size=(chains, *w.shape)) / np.sqrt(precision)
            weights[k] = u @ (pull / precision + noise) @ swap(v)
        if t >= burn_in:
            half = 2 * (t - burn_in) // sweeps
            total[half] += n_beta / 2 * ((product(weights, len(centre[0])) - target) ** 2).sum((1, 2))
    return total / (sweeps / 2)
