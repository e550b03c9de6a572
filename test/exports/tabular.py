"""Trains small classifiers on scikit-learn's bundled tables and exports them, as the tests attack them.

    pip install scikit-learn skl2onnx onnxmltools xgboost lightgbm
    python test/exports/tabular.py

Features are scaled to [0, 1]. A third of each table is kept for testing: breast-cancer.npz, iris.npz.
"""
from pathlib import Path

import numpy as np
import onnx
from lightgbm import LGBMClassifier
from onnx import helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC
from xgboost import XGBClassifier

out = Path(__file__).parent / "models"


def split(load):
    table = load()
    x = MinMaxScaler().fit_transform(table.data).astype(np.float32)
    return (*train_test_split(x, table.target, test_size=1 / 3, random_state=0, stratify=table.target), table)


def sklearn(name, model, x, y, zipmap=True, opset=17):
    """zipmap: the probabilities as one dictionary per sample, which is skl2onnx's default; None where there are none."""
    model.fit(x, y)
    options = {id(model): {"zipmap": False}} if zipmap is False else {}
    types = [("features", FloatTensorType([None, x.shape[1]]))]
    onnx.save(to_onnx(model, initial_types=types, options=options, target_opset=opset), out / name)


def label_alone(source, name):
    model = onnx.load(out / source)
    del model.graph.output[1:]
    model.graph.node.remove(next(node for node in model.graph.node if node.op_type == "ZipMap"))
    onnx.save(model, out / name)


def main():
    out.mkdir(exist_ok=True)
    x, x_test, y, y_test, _ = split(load_breast_cancer)
    np.savez(out / "breast-cancer.npz", x=x_test, y=y_test.astype(np.int64))
    sklearn("breast-cancer-forest.onnx", RandomForestClassifier(10, max_depth=5, random_state=0), x, y)
    label_alone("breast-cancer-forest.onnx", "breast-cancer-forest-label.onnx")
    sklearn("breast-cancer-logistic.onnx", make_pipeline(StandardScaler(), LogisticRegression()), x, y, zipmap=False)
    sklearn("breast-cancer-svm.onnx", SVC(probability=True, random_state=0), x, y, zipmap=False)
    # One score per sample, and probabilities of two classes joined from a Sigmoid.
    sklearn("breast-cancer-margin.onnx", LinearSVC(), x, y, zipmap=None)
    chosen = make_pipeline(SelectKBest(k=4), PolynomialFeatures(2), StandardScaler(), SGDClassifier("log_loss", random_state=0))
    sklearn("breast-cancer-polynomial.onnx", chosen, x, y, zipmap=False)
    types = [("features", ToolsFloat([None, x.shape[1]]))]
    boosted = XGBClassifier(n_estimators=20, max_depth=3, random_state=0).fit(x, y)
    onnx.save(convert_xgboost(boosted, initial_types=types, target_opset=15), out / "breast-cancer-xgboost.onnx")

    x, x_test, y, y_test, table = split(load_iris)
    np.savez(out / "iris.npz", x=x_test, y=y_test.astype(np.int64))
    names = table.target_names[y]
    sklearn("iris-normalised-names.onnx", make_pipeline(StandardScaler(), Normalizer(), LogisticRegression(C=10)), x, names)
    boosted = LGBMClassifier(n_estimators=10, max_depth=3, random_state=0, verbose=-1).fit(x, y)
    types = [("features", ToolsFloat([None, x.shape[1]]))]
    onnx.save(convert_lightgbm(boosted, initial_types=types, target_opset=15), out / "iris-lightgbm.onnx")


main()
