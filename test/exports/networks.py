"""Exports networks of torchvision and timm, and some written here, with both exporters of PyTorch.

    pip install torch==2.8.0 torchvision==0.23.0 timm==1.0.20 onnx==1.18.0 onnxscript==0.5.4 onnxruntime==1.22.1 \
        onnxconverter-common==1.16.0
    python test/exports/networks.py [FOLDER] [NAME ...]

Without a folder: those that are kept, into models/. With one: all, or those named. Weights are drawn from a fixed seed,
batch norm learns its statistics from random images, and the last bias makes the classes equally likely, so that small
networks behave like trained ones. Beside each network, NAME.f32: for two samples (`sample` below, which the tests know,
too) the logits and the gradients of the cross-entropy to class 0 and 1, by PyTorch itself.
"""
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
import torchvision.models as tv
from onnxconverter_common import float16
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from timm.models.mlp_mixer import MlpMixer
from torch import nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.swin_transformer import SwinTransformer, SwinTransformerBlockV2, PatchMergingV2
from torchvision.models.vgg import VGG, make_layers

warnings.filterwarnings("ignore")
image = (3, 32, 32)


def sample(shape, index):
    """Numbers in [0, 1) without a pattern, the same everywhere."""
    places = np.arange(int(np.prod(shape))) + 1.0 + 100_000.0 * index
    return places * places * 0.6180339887498949 % 1


class UNetEncoder(nn.Module):
    """Down twice, up twice with skips, then pooled."""

    def __init__(self):
        super().__init__()
        block = lambda a, b: nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.GroupNorm(2, b), nn.SiLU()
        )
        self.one, self.two, self.three = block(3, 8), block(8, 12), block(12, 16)
        self.up = nn.ConvTranspose2d(16, 12, 2, stride=2)
        self.joined, self.last = block(24, 12), block(20, 8)
        self.classify = nn.Linear(8, 10)

    def forward(self, x):
        one = self.one(x)
        two = self.two(nn.functional.max_pool2d(one, 2))
        three = self.three(nn.functional.avg_pool2d(two, 2))
        up = self.joined(torch.cat([self.up(three), two], 1))
        up = nn.functional.interpolate(up, scale_factor=2, mode="bilinear", align_corners=False)
        return self.classify(self.last(torch.cat([up, one], 1)).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.layer = kind(8, 16, batch_first=True, **options)
        self.classify = nn.Linear(16 * (2 if options.get("bidirectional") else 1), 6)

    def forward(self, x):
        return self.classify(self.layer(x)[0][:, -1])


class TextTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classify = nn.Linear(16, 6)

    def forward(self, x):
        mask = torch.triu(torch.full((x.shape[1], x.shape[1]), float("-inf")), 1)
        return self.classify(self.encoder(x, mask=mask)[:, -1])


class Signal(nn.Module):
    """Convolutions along time."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(2, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8), nn.ELU(),
            nn.Conv1d(8, 12, 3, dilation=2), nn.InstanceNorm1d(12, affine=True), nn.LeakyReLU(), nn.AdaptiveMaxPool1d(4),
        )
        self.classify = nn.Linear(48, 5)

    def forward(self, x):
        return self.classify(self.layers(x).flatten(1))


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(6, 8, 3, stride=2), nn.PReLU(8), nn.AdaptiveAvgPool3d(1)
        )
        self.classify = nn.Linear(8, 4)

    def forward(self, x):
        return self.classify(self.layers(x).flatten(1))


class Sound(nn.Module):
    """A spectrogram within the graph."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.layers = nn.Sequential(nn.Conv1d(9, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.AvgPool1d(4))
        self.classify = nn.Linear(24, 5)

    def forward(self, x):
        waves = torch.stft(x, 16, 8, window=self.window, center=False, return_complex=False)
        return self.classify(self.layers((waves.pow(2).sum(-1) + 1e-3).log()).flatten(1))


class Folded(nn.Module):
    """Blocks taken apart and put together again, and a pool by the root of the sum of squares."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(27, 54)
        self.layers = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8), nn.LPPool2d(2, 2), nn.Flatten(), nn.Linear(392, 10))

    def forward(self, x):
        blocks = nn.functional.unfold(x, 3, padding=1, stride=2)
        mixed = self.mix(blocks.transpose(1, 2)).relu().transpose(1, 2)
        return self.layers(nn.functional.fold(mixed, (32, 32), 3, padding=1, stride=2))


class Points(nn.Module):
    """Each point of a cloud with its nearest ones, picked from one list of the points of all clouds (Wang et al., 2019)."""

    def __init__(self):
        super().__init__()
        self.edges = nn.Sequential(nn.Conv2d(6, 16, 1), nn.BatchNorm2d(16), nn.LeakyReLU(0.2))
        self.classify = nn.Linear(16, 6)

    def forward(self, x):
        batch, channels, count = x.shape
        squares = (x**2).sum(1, keepdim=True)
        nearest = (2 * x.transpose(2, 1) @ x - squares - squares.transpose(2, 1)).topk(4, dim=-1)[1]
        places = (nearest + torch.arange(batch).view(-1, 1, 1) * count).view(-1)
        points = x.transpose(2, 1)
        found = points.reshape(batch * count, channels)[places].view(batch, count, 4, channels)
        around = points.view(batch, count, 1, channels).expand(-1, -1, 4, -1)
        edges = torch.cat([found - around, around], 3).permute(0, 3, 1, 2)
        return self.classify(self.edges(edges).amax((2, 3)))


def mobilenet_v3():
    row = partial(InvertedResidualConfig, width_mult=1)
    rows = [row(8, 3, 8, 8, True, "RE", 2, 1), row(8, 3, 24, 12, False, "RE", 2, 1), row(12, 5, 32, 16, True, "HS", 2, 1), row(16, 5, 48, 16, True, "HS", 1, 1)]
    return MobileNetV3(rows, 64, num_classes=10)


def efficientnet():
    row = partial(MBConvConfig, width_mult=1, depth_mult=1)
    rows = [row(1, 3, 1, 8, 8, 1), row(4, 3, 2, 8, 12, 2), row(4, 5, 2, 12, 16, 1)]
    return EfficientNet(rows, dropout=0.2, last_channel=48, num_classes=10)


def convnext():
    return ConvNeXt([CNBlockConfig(12, 16, 1), CNBlockConfig(16, 24, 1), CNBlockConfig(24, None, 1)], num_classes=10)


def swin(**options):
    sizes = {"patch_size": [2, 2], "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 4], "window_size": [4, 4]}
    return SwinTransformer(**sizes, num_classes=10, **options)


def vit():
    return tv.VisionTransformer(32, 8, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=48, num_classes=10)


def resnet(block=BasicBlock):
    net = tv.ResNet(block, [1, 1, 1, 1], num_classes=10)
    return net


def vgg():
    net = VGG(make_layers([8, "M", 12, "M", 16, 16, "M", 24, "M"], batch_norm=True), num_classes=10)
    net.avgpool = nn.AdaptiveAvgPool2d(1)
    net.classifier = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10))
    return net


def timm_resnet():
    from timm.models.resnet import BasicBlock as Block, ResNet

    return ResNet(Block, (1, 1, 1, 1), num_classes=10, channels=(8, 8, 12, 16), stem_width=8, stem_type="deep", avg_down=True)


def timm_model(name, **options):
    return lambda: timm.create_model(name, num_classes=10, **options)


# name: network, shape of a sample, exporters of which the result is kept
small = {
    "resnet": (timm_resnet, image, "script"),
    "vgg": (vgg, image, "dynamo"),
    "densenet": (lambda: tv.DenseNet(4, (2, 2, 2, 2), 8, num_classes=10), image, "script"),
    "mobilenet-v2": (lambda: tv.MobileNetV2(num_classes=10, inverted_residual_setting=[[1, 8, 1, 1], [4, 12, 2, 2], [4, 16, 1, 2]]), image, ""),
    "mobilenet-v3": (mobilenet_v3, image, "script"),
    "efficientnet": (efficientnet, image, "script dynamo"),
    "convnext": (convnext, image, "dynamo"),
    "vit": (vit, image, "script dynamo"),
    "swin": (swin, image, "dynamo"),
    "swin-v2": (partial(swin, block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2), image, ""),
    "mixer": (lambda: MlpMixer(10, 32, patch_size=8, num_blocks=2, embed_dim=24), image, "script"),
    "unet": (UNetEncoder, image, "dynamo"),
    "lstm": (lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), (12, 8), "script dynamo"),
    "gru": (lambda: Recurrent(nn.GRU), (12, 8), "script"),
    "rnn": (lambda: Recurrent(nn.RNN), (12, 8), ""),
    "text-transformer": (TextTransformer, (10, 16), "dynamo"),
    "signal": (Signal, (2, 64), "script"),
    "volume": (Volume, (1, 12, 12, 12), "dynamo"),
    "sound": (Sound, (128,), "script dynamo"),
    "folded": (Folded, image, "dynamo"),
    "points": (Points, (3, 24), "dynamo"),
}

large = {
    "resnet18": (resnet, (3, 64, 64)),
    "resnet-bottleneck": (partial(resnet, Bottleneck), (3, 64, 64)),
    "squeezenet": (lambda: tv.squeezenet1_1(num_classes=10), (3, 64, 64)),
    "shufflenet-v2": (lambda: tv.shufflenet_v2_x0_5(num_classes=10), (3, 64, 64)),
    "mnasnet": (lambda: tv.mnasnet0_5(num_classes=10), (3, 64, 64)),
    "googlenet": (lambda: tv.googlenet(num_classes=10, aux_logits=False, init_weights=False), (3, 64, 64)),
    "inception-v3": (lambda: tv.inception_v3(num_classes=10, aux_logits=False, init_weights=False), (3, 96, 96)),
    "regnet-y": (lambda: tv.regnet_y_400mf(num_classes=10), (3, 64, 64)),
    "timm-vit": (timm_model("vit_tiny_patch16_224", img_size=64, embed_dim=48, depth=3, num_heads=3), (3, 64, 64)),
    "timm-swin": (timm_model("swin_tiny_patch4_window7_224", img_size=64, embed_dim=24, depths=(2, 2), num_heads=(2, 4), window_size=4), (3, 64, 64)),
    "timm-mobilenet-v3": (timm_model("mobilenetv3_small_050"), (3, 64, 64)),
    "timm-efficientnet-lite": (timm_model("efficientnet_lite0"), (3, 64, 64)),
    "timm-convnext": (timm_model("convnext_atto", depths=(1, 1, 2, 1)), (3, 64, 64)),
    "timm-poolformer": (timm_model("poolformer_s12", layers=(1, 1, 1, 1), embed_dims=(16, 24, 32, 48)), (3, 64, 64)),
    "timm-ghostnet": (timm_model("ghostnet_050"), (3, 64, 64)),
    "timm-mobilevit": (timm_model("mobilevit_xxs"), (3, 64, 64)),
    "timm-levit": (timm_model("levit_128s", img_size=64), (3, 64, 64)),
    "timm-xcit": (timm_model("xcit_nano_12_p16_224", embed_dim=48, depth=2, img_size=64), (3, 64, 64)),
    "timm-cait": (timm_model("cait_xxs24_224", embed_dim=48, depth=2, num_heads=3, img_size=64), (3, 64, 64)),
    "timm-eva02": (timm_model("eva02_tiny_patch14_224", embed_dim=48, depth=2, num_heads=3, img_size=56), (3, 56, 56)),
    "timm-beit": (timm_model("beit_base_patch16_224", embed_dim=48, depth=2, num_heads=3, img_size=64), (3, 64, 64)),
    "timm-coatnet": (timm_model("coatnet_nano_rw_224", img_size=64), (3, 64, 64)),
    "timm-maxvit": (timm_model("maxvit_pico_rw_256", img_size=64), (3, 64, 64)),
    "timm-hrnet": (timm_model("hrnet_w18_small"), (3, 64, 64)),
    "timm-res2net": (timm_model("res2net50_14w_8s"), (3, 64, 64)),
    "timm-fastvit": (timm_model("fastvit_t8"), (3, 64, 64)),
    "timm-swin-v2": (timm_model("swinv2_tiny_window8_256", img_size=64, embed_dim=24, depths=(2, 2), num_heads=(2, 4), window_size=4), (3, 64, 64)),
    "timm-convnext-v2": (timm_model("convnextv2_atto", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)), (3, 64, 64)),
    "timm-gcvit": (timm_model("gcvit_xxtiny", img_size=64), (3, 64, 64)),
    "timm-twins": (timm_model("twins_svt_small", img_size=64, embed_dims=(16, 32, 48, 64), depths=(2, 2, 2, 2), num_heads=(1, 2, 3, 4)), (3, 64, 64)),
    "timm-davit": (timm_model("davit_tiny", depths=(1, 1, 1, 1), embed_dims=(16, 16, 32, 32), num_heads=(2, 2, 4, 4)), (3, 64, 64)),
    "timm-sequencer": (timm_model("sequencer2d_s", img_size=64, embed_dims=(24, 32, 32, 32), layers=(1, 1, 1, 1), hidden_sizes=(6, 8, 8, 8)), (3, 64, 64)),
    "timm-convit": (timm_model("convit_tiny", img_size=64, embed_dim=16, depth=2, num_heads=4, local_up_to_layer=1), (3, 64, 64)),
    "timm-tnt": (timm_model("tnt_s_patch16_224", img_size=64, embed_dim=48, inner_dim=12, depth=2, num_heads_outer=3), (3, 64, 64)),
    "timm-vit-rope": (timm_model("vit_small_patch16_rope_mixed_224", img_size=64, embed_dim=48, depth=2, num_heads=3), (3, 64, 64)),
    "timm-crossvit": (timm_model("crossvit_tiny_240", img_size=240), (3, 240, 240)),
    "timm-edgenext": (timm_model("edgenext_xx_small", dims=(8, 16, 24, 32), depths=(1, 1, 1, 1)), (3, 64, 64)),
    "timm-efficientvit": (timm_model("efficientvit_b0"), (3, 64, 64)),
    "timm-swiftformer": (timm_model("swiftformer_xs"), (3, 64, 64)),
    "timm-nfnet": (timm_model("nfnet_l0"), (3, 64, 64)),
    "timm-resnest": (timm_model("resnest14d", stem_width=8), (3, 64, 64)),
}


def seeded(build, shape):
    """The network in evaluation mode: no layer that does nothing, statistics of its own, no class preferred."""
    torch.manual_seed(0)
    net = build()
    for name, module in net.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if "norm" in type(module).__name__.lower() or isinstance(module, nn.modules.batchnorm._BatchNorm):
            if own.get("weight") is not None:
                nn.init.uniform_(module.weight, 0.5, 1.5)
            if own.get("bias") is not None:
                nn.init.normal_(module.bias, 0, 0.1)
        # Residual branches and class tokens that start at zero or nearly so.
        for key, value in own.items():
            if value.numel() > 1 and value.detach().abs().max() < 1e-3 and value.dim() > 0:
                nn.init.normal_(value, 0.3 if "gamma" in key or "scale" in key else 0, 0.1)
    draw = lambda count: torch.rand(count, *shape, generator=generator)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train()
                module.momentum = None
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules()):
            net.train()
            for _ in range(2):
                net(draw(16))
        net.eval()
        logits = net(draw(32))
        width = lambda module: getattr(module, "out_features", getattr(module, "out_channels", None))
        heads = (nn.Linear, nn.Conv2d)
        last = [module for module in net.modules() if isinstance(module, heads) and width(module) == logits.shape[1]]
        if last:
            spread = logits.std(0).mean().clamp_min(1e-3)
            for head in last[-1:]:
                head.weight.mul_(1 / spread)
                if head.bias is not None:
                    head.bias.mul_(1 / spread).sub_(logits.mean(0) / spread)
    return net.eval()


def export(net, shape, path, exporter):
    """'script': a free batch, opset 17. 'dynamo': batch 1, as is the default. 'dynamo-batch': a free batch."""
    one = torch.tensor(np.stack([sample(shape, 0), sample(shape, 1)]).reshape(2, *shape), dtype=torch.float32)
    if exporter == "script":
        axes = {"input": {0: "batch"}, "logits": {0: "batch"}}
        torch.onnx.export(net, (one[:1],), path, dynamo=False, opset_version=17, input_names=["input"], output_names=["logits"], dynamic_axes=axes)
    else:
        free = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if exporter == "dynamo-batch" else {}
        args = (one,) if exporter == "dynamo-batch" else (one[:1],)
        torch.onnx.export(net, args, path, dynamo=True, external_data=False, input_names=["input"], output_names=["logits"], verbose=False, **free)
    model = onnx.load(path)
    tidy(model)
    onnx.save(model, path)


def tidy(model):
    """Without paths of this machine, stack traces and the like."""
    del model.metadata_props[:]
    for function in model.functions:
        tidy_graph(function)
    tidy_graph(model.graph)


def tidy_graph(graph):
    kinds = ["node", "value_info", "input", "output", "initializer"]
    parts = [part for kind in kinds for part in getattr(graph, kind, []) if not isinstance(part, str)]
    for each in [graph, *parts]:
        each.doc_string = ""
        del each.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                tidy_graph(attribute.g)


def oracle(net, shape, path):
    x = torch.tensor(np.stack([sample(shape, 0), sample(shape, 1)]).reshape(2, *shape), dtype=torch.float32)
    x.requires_grad_(True)
    logits = net(x)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1]), reduction="sum").backward()
    np.concatenate([each.detach().numpy().astype("<f4").ravel() for each in (logits, x.grad)]).tofile(path)


class Reader(CalibrationDataReader):
    def __init__(self, shape):
        self.samples = iter(sample(shape, i).reshape(1, *shape).astype(np.float32) for i in range(16))

    def get_next(self):
        x = next(self.samples, None)
        return None if x is None else {"input": x}


def variants(folder, name, shape):
    """Quantised and in half precision, from the export by 'script'."""
    source = folder / f"{name}-script.onnx"
    wide = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, folder / f"{name}-int8.onnx", Reader(shape), quant_format=QuantFormat.QDQ, per_channel=True, **wide)
    quantize_dynamic(source, folder / f"{name}-int8-dynamic.onnx", weight_type=QuantType.QUInt8)
    onnx.save(float16.convert_float_to_float16(onnx.load(source), keep_io_types=False), folder / f"{name}-fp16.onnx")


def main():
    kept = len(sys.argv) < 2
    folder = Path(__file__).parent / "models" if kept else Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, (build, shape, keep) in {**small, **{name: (*row, "") for name, row in large.items()}}.items():
        if (kept and not keep) or (sys.argv[2:] and name not in sys.argv[2:]):
            continue
        try:
            net = seeded(build, shape)
            oracle(net, shape, folder / f"{name}.f32")
        except Exception as error:
            print(f"{name}: not built: {str(error).strip().splitlines()[0][:200]}", flush=True)
            continue
        every = ["script", "dynamo"] if name in small else ["script", "dynamo", "dynamo-batch"]
        for exporter in keep.split() if kept else every:
            path = folder / f"{name}-{exporter}.onnx"
            try:
                export(net, shape, path, exporter)
                print(f"{path.name}: {path.stat().st_size:,} bytes", flush=True)
            except Exception as error:
                print(f"{path.name}: {type(error).__name__}: {str(error).strip().splitlines()[0][:200]}", flush=True)
        if name in ("resnet", "mobilenet-v3"):
            variants(folder, name, shape)


main()
