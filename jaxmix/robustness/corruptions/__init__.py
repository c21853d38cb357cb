"""The corruptions of CIFAR-10-C, CIFAR-100-C and ImageNet-C, made on the device."""

from jaxmix.robustness.corruptions.corrupting import corrupt as corrupt
from jaxmix.robustness.corruptions.frost import photographs as photographs
from jaxmix.robustness.corruptions.severities import EXTRA as EXTRA
from jaxmix.robustness.corruptions.severities import LIKE as LIKE
from jaxmix.robustness.corruptions.severities import MAIN as MAIN
