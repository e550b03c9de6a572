"""adversarial-library (adv-lib). It imports a plotting client that its attacks use only on request."""
import math
import sys
import types

sys.modules["visdom"] = types.ModuleType("visdom")

from adv_lib.attacks import ddn as ddn_attack  # noqa: E402
from adv_lib.attacks import fmn as fmn_attack  # noqa: E402
from peer import main  # noqa: E402


def fmn(model, job):
    norm = {"L2": 2, "Linf": math.inf}[job["norm"]]
    return lambda x, y: fmn_attack(model, x, y, norm=norm, steps=job["options"]["steps"])


def ddn(model, job):
    """Without the rounding to 256 levels, which the others do not have either."""
    return lambda x, y: ddn_attack(model, x, y, steps=job["options"]["steps"], levels=None)


main({"fmn": fmn, "ddn": ddn})
