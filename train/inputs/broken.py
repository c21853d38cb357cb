"""Find the images of a listing that can't be decoded, and leave them out."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from inputs.decoding import Decoder, decode
from inputs.listing import Listing

__all__ = ["leave_out", "scan"]


def scan(listing: Listing, *, decoder: Decoder = decode, threads: int = 1) -> tuple[str, ...]:
    """Decode every image once; returns the messages of those that can't be, each of which begins with its path.

    The result is to be kept with a run: what is left out must stay the same when it is resumed.
    """

    def message(index: int) -> str | None:
        try:
            decoder(listing[index], listing.path(index))
        except ValueError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(message, range(len(listing)))
        return tuple(text for text in found if text is not None)


def leave_out(listing: Listing, messages: Sequence[str]) -> Listing:
    """The listing without the images that messages of `scan` begin with.

    Raises ValueError where that leaves none.
    """
    if not messages:
        return listing
    broken = {text for text in messages}
    kept = [index for index in range(len(listing)) if not _named(listing.path(index), broken)]
    if not kept:
        raise ValueError(
            f"None of the {len(listing)} images of {listing.name} can be decoded. The first: {messages[0]}"
        )
    return listing.chosen(kept)
