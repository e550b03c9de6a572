"""torchattacks: its AutoAttack, `version='standard'`, is APGD-CE, APGD-T, FAB-T and Square in a MultiAttack."""
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
    return attack


main({"autoattack": autoattack})
