"""Where to move one picture of a pair so that what is salient in both can be seen: SAGE's search.

A map of shares [b h w] says how salient each pixel is. A shift is (dy, dx): the content of the other map moves by +dy
rows and +dx columns, and what it leaves is 0. A search is `(key, own, other) -> Int[b 2]`, the shift of each pair.
"""

from jaxmix.shifts.exhaustive import rolled
from jaxmix.shifts.fft_search import fourier
from jaxmix.shifts.scores import best, own_share, sampled, score

__all__ = ["best", "fourier", "own_share", "rolled", "sampled", "score"]
