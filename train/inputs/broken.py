"""Find the images of a listing that can't be decoded, and leave them out."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from inputs.decoding import Decoder, fastest
from inputs.listing import Listing

__all__ = ["leave_out", "scan"]


def scan(listing: Listing, *, decoder: Decoder | None = None, threads: int = 1) -> dict[str, str]:
    """Decode every image once; returns what is wrong with those that can't be decoded, by the name of their item.

    To be kept with a run: what is left out must stay the same when the run goes on.
    """
    decode = fastest() if decoder is None else decoder

    def message(index: int) -> str | None:
        try:
            decode(listing[index], listing.path(index))
        except ValueError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(threads) as pool:
        messages = pool.map(message, range(len(listing)))
        return {listing.item(index): text for index, text in enumerate(messages) if text is not None}


def leave_out(listing: Listing, items: Iterable[str]) -> Listing:
    """The listing without the images of these names.

    Raises ValueError where that leaves none.
    """
    left_out = set(items)
    if not left_out:
        return listing
    kept = [index for index in range(len(listing)) if listing.item(index) not in left_out]
    if not kept:
        raise ValueError(f"All {len(listing)} images of {listing.name} are broken, as {listing.path(0)}.")
    return listing.chosen(kept)
