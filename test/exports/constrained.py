"""Trains a forest and a logistic regression on the Adult census table, one-hot encoded as robustly encodes it.

    pip install scikit-learn skl2onnx pandas
    python test/exports/constrained.py ADULT_TEST_CSV

The first 1,000 rows of the table are left for testing. Features are in their own units: years, dollars, hours.
"""
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

out = Path(__file__).parent / "models"


def encode(path):
    """Columns of texts in sorted one-hot columns, at their place; labels in sorted order."""
    table = pd.read_csv(path, header=None, skipinitialspace=True)
    columns = []
    for name in table.columns[:-1]:
        values = table[name]
        if values.dtype.kind in "if":
            columns.append(values.to_numpy(np.float32))
        else:
            columns += [(values == text).to_numpy(np.float32) for text in sorted(values.unique())]
    return np.stack(columns, axis=1), (table[table.columns[-1]] == ">50K.").to_numpy(np.int64)


def main():
    x, y = encode(sys.argv[1])
    types = [("features", FloatTensorType([None, x.shape[1]]))]
    models = {
        "adult-forest": RandomForestClassifier(8, max_depth=6, random_state=0),
        "adult-logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }
    for name, model in models.items():
        model.fit(x[1000:], y[1000:])
        print(name, model.score(x[:1000], y[:1000]), int((model.predict(x[:60]) == y[:60]).sum()))
        options = {id(model): {"zipmap": False}}
        onnx.save(to_onnx(model, initial_types=types, options=options, target_opset=17), out / f"{name}.onnx")


main()
