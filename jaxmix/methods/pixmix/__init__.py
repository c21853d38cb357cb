"""PixMix (Hendrycks et al., 2022): images mixed in rounds with images of no class, and those images."""

from jaxmix.methods.pixmix.dead_leaves import leaves
from jaxmix.methods.pixmix.escape_time import julia
from jaxmix.methods.pixmix.feature_patterns import patterns
from jaxmix.methods.pixmix.function_systems import flames
from jaxmix.methods.pixmix.mixing_set import mixing_images
from jaxmix.methods.pixmix.rounds import pixmix
from jaxmix.methods.pixmix.spectral_noise import noise

__all__ = ["flames", "julia", "leaves", "mixing_images", "noise", "patterns", "pixmix"]
