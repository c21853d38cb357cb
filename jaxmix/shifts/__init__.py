"""SAGE's search for the shift of the other image that leaves the most saliency of both visible.

A map of shares [b h w] holds the saliency of each pixel. A shift is (dy, dx): the content of the other map moves by +dy
rows and +dx columns, and what it leaves is 0. A search is `(key, own, other) -> Int[b 2]`, the shift of each pair.
"""

from jaxmix.shifts.exhaustive import rolled
from jaxmix.shifts.fft_search import fourier
from jaxmix.shifts.scores import best, own_share, sampled, score

__all__ = ["best", "fourier", "own_share", "rolled", "sampled", "score"]
