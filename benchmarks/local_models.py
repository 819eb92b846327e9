"""The four networks of `bench_local.py` as plain arrays: both sides of the race read the same weights and data."""

import numpy as np

STEPS, BURN_IN, CHAINS, BATCH, GAMMA = 1000, 200, 4, 128, 1.0
# name -> step
MODELS = {"linear 10-10-10-10": 1e-5, "ReLU 784-32-10": 1e-5, "convolution 8 x 3 x 3": 1e-5, "attention 8 x 16": 1e-5}


def problem(name):
    """Weights w*, which are the truth, inputs and outputs that they generated; float32, with integers for classes."""
    rng = np.random.default_rng(1)
    draw = lambda *shape, scale=1.0: (scale * rng.normal(size=shape)).astype(np.float32)  # noqa: E731
    if name.startswith("linear"):
        weights, x = [draw(10, 10, scale=0.3) for _ in range(3)], draw(10_000, 10)
        return weights, x, x @ weights[0] @ weights[1] @ weights[2] + draw(10_000, 10)
    if name.startswith("ReLU"):
        weights, x = [draw(784, 32, scale=0.05), draw(32, 10, scale=0.3)], draw(2000, 784)
        logits = np.maximum(x @ weights[0], 0) @ weights[1]
    elif name.startswith("attention"):  # one head over 8 places, the mean of what it reads classified
        weights, x = [*(draw(16, 16, scale=0.25) for _ in range(3)), draw(16, 10)], draw(2000, 8, 16)
        query, key, value = (x @ w for w in weights[:3])
        heat = np.exp(query @ key.transpose(0, 2, 1) / 4)
        logits = (heat / heat.sum(-1, keepdims=True) @ value).mean(1) @ weights[3]
    else:
        weights, x = [draw(8, 1, 3, 3, scale=0.3), draw(800, 10, scale=0.05)], draw(2000, 1, 12, 12)
        patches = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))
        hidden = np.einsum("nijab,cab->ncij", patches, weights[0][:, 0])
        logits = np.maximum(hidden, 0).reshape(2000, 800) @ weights[1]
    return weights, x, (logits + rng.gumbel(size=logits.shape)).argmax(1).astype(np.int32)
