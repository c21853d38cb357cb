"""How a trained network fares where its test pictures are not like those of training, and how well it knows that."""

from jaxmix.robustness import attacks as attacks
from jaxmix.robustness import backgrounds as backgrounds
from jaxmix.robustness import between as between
from jaxmix.robustness import calibration as calibration
from jaxmix.robustness import corruptions as corruptions
from jaxmix.robustness import detection as detection
from jaxmix.robustness import localization as localization
from jaxmix.robustness import mce as mce
from jaxmix.robustness import occlusion as occlusion
from jaxmix.robustness import outliers as outliers
