"""foolbox. None of its attacks retires a sample before the last step."""
import foolbox
from peer import main


def driver(attack):
    def prepare(model, job):
        target = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        chosen = attack(job)
        # None: the nearest adversarial examples, whatever their distance.
        epsilon = job["epsilon"] if job["kind"] == "budget" else None
        return lambda x, y: chosen(target, x, y, epsilons=epsilon)[1 if epsilon is not None else 0]

    return prepare


def pgd(job):
    steps = job["options"]["steps"]
    return foolbox.attacks.LinfPGD(rel_stepsize=0.01 / 0.3, steps=steps, random_start=True)


def fmn(job):
    by_norm = {"L2": foolbox.attacks.L2FMNAttack, "Linf": foolbox.attacks.LInfFMNAttack}
    return by_norm[job["norm"]](steps=job["options"]["steps"])


def ddn(job):
    return foolbox.attacks.DDNAttack(steps=job["options"]["steps"])


main({"pgd": driver(pgd), "fmn": driver(fmn), "ddn": driver(ddn)})
