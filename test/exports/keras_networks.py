"""Exports networks of Keras with tf2onnx: images with channels last, recurrent layers, a final softmax.

    pip install tensorflow-cpu==2.15.1 tf2onnx==1.16.1 onnx==1.16.2
    python test/exports/keras_networks.py [FOLDER]

Weights are drawn from a fixed seed. Beside each network, NAME.f32: for two samples (`sample` of networks.py) the logits and
the gradients of the cross-entropy to class 0 and 1, by TensorFlow itself.
"""
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from tensorflow.keras import Model, Sequential, layers


def sample(shape, index):
    places = np.arange(int(np.prod(shape))) + 1.0 + 100_000.0 * index
    return (places * places * 0.6180339887498949 % 1).reshape(shape)


def cnn():
    return Sequential([
        layers.Input((32, 32, 3)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.SeparableConv2D(12, 3, padding="same", strides=2, activation="relu"),
        layers.AveragePooling2D(padding="same"),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(10),
    ])


def mobile():
    x = start = layers.Input((32, 32, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(max_value=6.0)(x)
    y = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    y = layers.DepthwiseConv2D(3, strides=2, padding="valid", activation="swish")(y)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
    y = layers.Conv2D(8, 1)(layers.Multiply()([y, gate]))
    y = layers.Add()([y, layers.AveragePooling2D(2)(x)])
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = layers.LayerNormalization()(layers.Concatenate()([x, y]))
    return Model(start, layers.Dense(10)(layers.GlobalMaxPooling2D()(y)))


def recurrent(layer):
    return Sequential([layers.Input((12, 8)), layer, layers.Dense(6)])


def attention():
    x = start = layers.Input((10, 16))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(16)(layers.Dense(24, activation="gelu")(x)))
    return Model(start, layers.Dense(6)(layers.GlobalAveragePooling1D()(x)))


networks = {
    "keras-cnn": cnn,
    "keras-mobile": mobile,
    "keras-lstm": lambda: recurrent(layers.Bidirectional(layers.LSTM(12))),
    "keras-gru": lambda: recurrent(layers.GRU(12)),
    "keras-simple-rnn": lambda: recurrent(layers.SimpleRNN(12)),
    "keras-attention": attention,
}


def seeded(build):
    tf.keras.utils.set_random_seed(0)
    net = build()
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(tf.random.normal(layer.moving_mean.shape, 0.2, 0.1))
            layer.moving_variance.assign(tf.random.uniform(layer.moving_variance.shape, 0.2, 0.5))
    last = net.layers[-1]
    logits = net(tf.random.uniform((32, *net.input_shape[1:])), training=False)
    spread = tf.reduce_mean(tf.math.reduce_std(logits, 0))
    last.kernel.assign(last.kernel / spread)
    last.bias.assign(-tf.reduce_mean(logits, 0) / spread)
    return net


def oracle(net, path):
    x = tf.constant(np.stack([sample(net.input_shape[1:], i) for i in range(2)]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = net(x, training=False)
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits([0, 1], logits))
    gradient = tape.gradient(loss, x)
    np.concatenate([each.numpy().astype("<f4").ravel() for each in (logits, gradient)]).tofile(path)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in networks.items():
        net = seeded(build)
        oracle(net, folder / f"{name}.f32")
        # A final softmax, as most classifiers of Keras have, is cut off again: scores stay the logits.
        softmax = Model(net.input, layers.Softmax()(net.output)) if name in ("keras-cnn", "keras-lstm") else net
        signature = (tf.TensorSpec((None, *net.input_shape[1:]), tf.float32, name="input"),)
        model, _ = tf2onnx.convert.from_keras(softmax, input_signature=signature, opset=15)
        onnx.save(model, folder / f"{name}-tf2onnx.onnx")
        print(name, (folder / f"{name}-tf2onnx.onnx").stat().st_size, flush=True)


main()
