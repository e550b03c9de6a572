"""The Adversarial Robustness Toolbox. Its PGD retires no sample before the last step."""
import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from peer import main


def pgd(model, job):
    classifier = PyTorchClassifier(
        model=model,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=tuple(job["shape"]),
        nb_classes=job["classes"],
        clip_values=(0, 1),
        device_type="cpu",
    )
    attack = ProjectedGradientDescent(
        classifier,
        norm=np.inf,
        eps=job["epsilon"],
        eps_step=job["epsilon"] * 0.01 / 0.3,
        max_iter=job["options"]["steps"],
        num_random_init=1,
        batch_size=job["batch"],
        verbose=False,
    )
    return lambda x, y: torch.from_numpy(attack.generate(x.numpy(), y.numpy()))


main({"pgd": pgd})
