"""The other side of `bench_local.py`, under a Python that has devinterp: a line in, a line of JSON out."""

import json
import os
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
import torch
from datasets import Dataset
from devinterp.optim import SGMCMC
from devinterp.slt.llc import llc
from local_models import BATCH, BURN_IN, CHAINS, GAMMA, MODELS, STEPS, problem


class Net(torch.nn.Module):
    def __init__(self, name, weights):
        super().__init__()
        self.name, self.w = name, torch.nn.ParameterList([torch.tensor(w) for w in weights])

    def forward(self, x):
        if self.name.startswith("linear"):
            return x @ self.w[0] @ self.w[1] @ self.w[2]
        if self.name.startswith("ReLU"):
            return torch.relu(x @ self.w[0]) @ self.w[1]
        return torch.relu(torch.nn.functional.conv2d(x, self.w[0])).flatten(1) @ self.w[1]


def losses(model, x, y):
    out = model(x)
    if y.dtype == torch.float32:
        return 0.5 * ((y - out) ** 2).sum(1)
    return torch.nn.functional.cross_entropy(out, y.long(), reduction="none")


def public_call(name, seed):
    """Its data sets hold tokens alone, so the token is the index of an observation and the loss looks it up."""
    weights, x, y = (torch.tensor(a) if isinstance(a, np.ndarray) else a for a in problem(name))
    tokens = Dataset.from_dict({"input_ids": [[i, 0] for i in range(len(x))]}).with_format("torch")
    found = lambda model, ids: losses(model, x[ids[:, 0]], y[ids[:, 0]])[:, None]  # noqa: E731
    result = llc(
        Net(name, weights), tokens, {}, lr=MODELS[name], n_beta=len(x) / np.log(len(x)), loss_fn=found,
        num_chains=CHAINS, num_draws=STEPS - BURN_IN, num_burnin_steps=BURN_IN, batch_size=BATCH, localization=GAMMA,
        init_seed=seed, num_init_loss_batches=1, match_sampling_input_ids_across_chains=False, device="cpu",
    )  # fmt: skip
    return result.loss_trace.values


def bare_loop(name, seed):
    """Its optimizer in the shortest loop that one can write."""
    torch.manual_seed(seed)
    weights, x, y = (torch.tensor(a) if isinstance(a, np.ndarray) else a for a in problem(name))
    trace = np.empty((CHAINS, STEPS))
    for c in range(CHAINS):
        model = Net(name, weights)
        n_beta = len(x) / np.log(len(x))
        optimizer = SGMCMC.sgld(model.parameters(), lr=MODELS[name], nbeta=n_beta, localization=GAMMA)
        for t in range(STEPS):
            rows = torch.randint(len(x), (BATCH,))
            loss = losses(model, x[rows], y[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trace[c, t] = loss.item()
    return trace


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # progress bars are no answer
    warnings.simplefilter("ignore")
    answers.write(json.dumps({k: version(k) for k in ("devinterp", "torch")}) + "\n")
    for line in sys.stdin:
        kind, name, seed = json.loads(line)
        start = time.perf_counter()
        trace = {"call": public_call, "loop": bare_loop}[kind](name, seed)
        seconds = time.perf_counter() - start
        answers.write(json.dumps([seconds, trace[:, BURN_IN:].mean(1).tolist()]) + "\n")


if __name__ == "__main__":
    main()
