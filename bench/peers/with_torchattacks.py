"""torchattacks: its AutoAttack, `version='standard'`, is APGD-CE, APGD-T, FAB-T and Square in a MultiAttack."""
import time

import torchattacks
from peer import main


def autoattack(model, job):
    """
    With `steps`, those of the reference, 100: the same four attacks in the same order. Without, as shipped: AutoAttack leaves
    APGD and FAB at their default of 10 steps.
    """
    attack = torchattacks.AutoAttack(model, norm=job["norm"], eps=job["epsilon"], n_classes=job["classes"], seed=job["seed"])
    steps = job["options"].get("steps")
    if steps is not None:
        apgd, apgd_t, fab_t, _ = attack._autoattack.attacks
        for each in (apgd, apgd_t, fab_t):
            each.steps = steps
    attack.parts = [timed(each, name) for each, name in zip(attack._autoattack.attacks, NAMES)]
    return attack


NAMES = ("apgd-ce", "apgd-t", "fab-t", "square")


def timed(attack, name):
    """Lets an attack of the suite count its seconds."""
    part = {"name": name, "seconds": 0.0, "left": None}
    search = attack.forward

    def forward(images, labels):
        start = time.perf_counter()
        found = search(images, labels)
        part["seconds"] += time.perf_counter() - start
        return found

    attack.forward = forward
    return part


main({"autoattack": autoattack})
