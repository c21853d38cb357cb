"""White-box attacks in pixel space: FGSM and PGD."""

from jaxmix.robustness.attacks.gradient_sign import Loss, ascend, fgsm, pgd

__all__ = [
    "Loss",
    "ascend",
    "fgsm",
    "pgd",
]
