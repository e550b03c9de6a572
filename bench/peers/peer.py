"""
What the drivers of all peers share. A driver is called with the path of a job (JSON), attacks the samples of the job and
leaves `adversarial.npy` and `answer.json` in the job's folder. It says nothing about success: the verifier does.

Loading is not timed. Timed is what robustly's time holds as well: predicting every sample and attacking those that are right.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import version_converter
from onnx2torch import convert

# The converter knows operators of these versions of the standard; a file of a newer one is written down to it first.
NEWEST_OPSET = 17


class Normalised(torch.nn.Module):
    """The converted file behind (x - mean) / std per channel."""

    def __init__(self, model, mean, std):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x):
        return self.model((x - self.mean) / self.std)


def load(job):
    """The ONNX file as a module in evaluation mode. Its weights are frozen, which spares peers gradients that no attack needs."""
    file = onnx.load(job["model"])
    if next(opset.version for opset in file.opset_import if opset.domain == "") > NEWEST_OPSET:
        file = version_converter.convert_version(file, NEWEST_OPSET)
    model = convert(file)
    if job["mean"] is not None:
        model = Normalised(model, job["mean"], job["std"])
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def predictions(model, x, batch):
    with torch.no_grad():
        return torch.cat([model(rows).argmax(1) for rows in x.split(batch)])


def warm_up(model, x):
    """The first pass of a process allocates and chooses kernels; it does not count."""
    rows = x.clone().requires_grad_()
    torch.autograd.grad(model(rows).sum(), rows)


def main(attacks):
    """`attacks`: by name, functions (model, job) -> attack, where attack(x, y) gives the adversarial examples of a batch.
    An attack that is a suite may say in `parts` where its time went."""
    job = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(job["folder"])
    torch.set_num_threads(job["cores"])
    torch.set_num_interop_threads(1)
    torch.manual_seed(job["seed"])
    np.random.seed(job["seed"])
    model = load(job)
    x = torch.from_numpy(np.load(job["inputs"]))
    y = torch.from_numpy(np.load(job["labels"]).astype(np.int64))
    batch = job["batch"]
    attack = attacks[job["attack"]](model, job)
    warm_up(model, x[:batch])

    start, used = time.perf_counter(), time.process_time()
    found = x.clone()
    correct = (predictions(model, x, batch) == y).nonzero().flatten()
    for rows in correct.split(batch):
        found[rows] = attack(x[rows], y[rows]).detach()
    seconds, cpu = time.perf_counter() - start, time.process_time() - used

    np.save(folder / "adversarial.npy", found.numpy())
    left = int((predictions(model, found, batch) == y).sum())
    answer = {
        "seconds": seconds,
        "cpuSeconds": cpu,
        "clean": len(correct),
        "claimed": left,
        "batch": batch,
        "runtimeShare": None,
        "attacks": getattr(attack, "parts", []),
    }
    (folder / "answer.json").write_text(json.dumps(answer))
