"""devinterp 2: its public call, and a bare loop around its optimizer; both hand back the mean loss of each chain."""

import contextlib
import os
from importlib.metadata import version as version_of

import numpy as np
import torch
from datasets import Dataset
from devinterp.optim import SGMCMC
from devinterp.slt.llc import llc

from benchmarks.local_models import BATCH, BURN_IN, CHAINS, GAMMA, MODELS, STEPS, problem


def version():
    return f"devinterp {version_of('devinterp')}"


class Net(torch.nn.Module):
    def __init__(self, name, weights):
        super().__init__()
        self.name, self.w = name, torch.nn.ParameterList([torch.tensor(w) for w in weights])

    def forward(self, x):
        if self.name.startswith("linear"):
            return x @ self.w[0] @ self.w[1] @ self.w[2]
        if self.name.startswith("ReLU"):
            return torch.relu(x @ self.w[0]) @ self.w[1]
        if self.name.startswith("attention"):
            heat = torch.softmax(x @ (self.w[0] @ self.w[1].T) @ x.mT / 4, -1).mean(1, keepdim=True)
            return (heat @ x)[:, 0] @ self.w[2] @ self.w[3]
        return torch.relu(torch.nn.functional.conv2d(x, self.w[0])).flatten(1) @ self.w[1]


def losses(model, x, y):
    out = model(x)
    if y.dtype == torch.float32:
        return 0.5 * ((y - out) ** 2).sum(1)
    return torch.nn.functional.cross_entropy(out, y.long(), reduction="none")


def tensors(name):
    weights, x, y = problem(name)
    return weights, torch.tensor(x), torch.tensor(y)


def call(name, seed):
    """Its data sets hold tokens alone, so the token is the index of an observation and the loss looks it up."""
    weights, x, y = tensors(name)
    tokens = Dataset.from_dict({"input_ids": [[i, 0] for i in range(len(x))]}).with_format("torch")
    found = lambda model, ids: losses(model, x[ids[:, 0]], y[ids[:, 0]])[:, None]  # noqa: E731
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # progress bars
        result = llc(
            Net(name, weights), tokens, {}, lr=MODELS[name], n_beta=len(x) / np.log(len(x)), loss_fn=found,
            num_chains=CHAINS, num_draws=STEPS - BURN_IN, num_burnin_steps=BURN_IN, batch_size=BATCH,
            localization=GAMMA, init_seed=seed, num_init_loss_batches=1, match_sampling_input_ids_across_chains=False,
            device="cpu",
        )  # fmt: skip
    return np.asarray(result.loss_trace.values)[:, BURN_IN:].mean(1)


def loop(name, seed):
    """Its optimizer in the shortest loop that one can write."""
    torch.manual_seed(seed)
    weights, x, y = tensors(name)
    trace = np.empty((CHAINS, STEPS))
    n_beta = len(x) / np.log(len(x))
    for c in range(CHAINS):
        model = Net(name, weights)
        optimizer = SGMCMC.sgld(model.parameters(), lr=MODELS[name], nbeta=n_beta, localization=GAMMA)
        for t in range(STEPS):
            rows = torch.randint(len(x), (BATCH,))
            loss = losses(model, x[rows], y[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trace[c, t] = loss.item()
    return trace[:, BURN_IN:].mean(1)
