"""The command `python -m jaxmix`: a sheet of images under methods, or the list of methods.

Exit codes: 0 done; 1 the sheet could not be written; 2 a mistake in the command line or in a file; 130 interrupted.
"""

import argparse
import inspect
import sys
import unicodedata
import zlib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import jax
import numpy as np

from jaxmix.combinators import Method
from jaxmix.methods.enumeration import by_name, map_names
from jaxmix.visualize import examples, pillow
from jaxmix.visualize.method_sheets import Row, method_sheet

__all__ = ["listing", "main"]

if TYPE_CHECKING:
    from PIL import Image

_DEFAULT = ("mixup", "cutmix", "saliencymix", "sage")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# PuzzleMix cuts the images into as many blocks a side.
_MULTIPLE = 16


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def main(arguments: Sequence[str]) -> int:
    """Run the command, and return its exit code.

    Args:
        arguments: of the command line, without the name of the program.

    >>> main(["cat.jpg", "--method", "cutmixx"])
    2
    """
    try:
        options = _parser().parse_args(arguments)
        if options.list:
            print(listing())
            return 0
        sheet = _sheet(options)
    except (ValueError, ImportError) as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    try:
        sheet.save(options.out)
    except OSError as error:
        return _fail(f"{options.out} could not be written: {error.strerror or error}", 1)
    print(f"{options.out}: {sheet.width} x {sheet.height} pixels")
    return 0


def listing() -> str:
    """One line for each method: its name, what guides it, and what it does.

    >>> listing().splitlines()[0].split()[:5]
    ['attentivemix', 'attention', 'Paste', 'the', 'cells']
    """
    methods = by_name()
    width = max(map(len, methods)) + 2
    guided = {name: ", ".join(map_names(method)) for name, method in methods.items()}
    column = max(map(len, guided.values())) + 2
    return "\n".join(
        f"{name:{width}}{guided[name]:{column}}{(inspect.getdoc(method) or '').splitlines()[0]}"
        for name, method in methods.items()
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m jaxmix",
        description="Write a sheet of images under methods, with labels as bars. Methods that need saliency, attention "
        "or class activation maps get fine-grained saliency of the pixels, as there is no network.",
    )
    parser.add_argument("images", nargs="*", type=Path, help="two or more image files; centers are cut to squares")
    parser.add_argument(
        "--method", action="append", metavar="NAME", help=f"may be repeated; all: all; default: {', '.join(_DEFAULT)}"
    )
    parser.add_argument("--list", action="store_true", help="list the methods")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), help="png, jpg or webp; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the PRNG key; default: %(default)s")
    parser.add_argument(
        "--side", type=int, default=224, help=f"of the images, a multiple of {_MULTIPLE}; default: %(default)s"
    )
    parser.add_argument("--masks", action="store_true", help="plot which image each pixel is taken from, too")
    parser.add_argument("--dark", action="store_true", help="light on dark")
    return parser


def _sheet(options: argparse.Namespace) -> "Image.Image":
    """Read the images, mix them by each method, and plot the sheet."""
    methods = _methods(options.method or _DEFAULT)
    _check(options)
    pillow.require()
    images = np.stack([_read(path, options.side) for path in options.images])
    rows = []
    for name, method in methods.items():
        # The name and the seed alone decide what a method draws, whatever the other methods.
        key = jax.random.fold_in(jax.random.key(options.seed), zlib.crc32(name.encode()))
        try:
            mixed, mix = examples.mixed_images(method, key, jax.numpy.asarray(images))
        except ValueError as error:
            if len(images) == 1:
                raise ValueError(
                    f"{name} mixes an image with a partner, and one image is given; wanted two or more, or a method "
                    "that keeps the label, such as --method augmix"
                ) from error
            raise
        rows.append(Row(name, mixed, mix))
    names = [_name(path, place) for place, path in enumerate(options.images, 1)]
    return method_sheet(images, rows, names, masks=options.masks, dark=options.dark)


def _methods(names: Sequence[str]) -> dict[str, Method]:
    """The methods of these names, each once."""
    known = by_name()
    for name in names:
        if name not in known and name != "all":
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "--list names them"
            raise ValueError(f"--method {name} is no method; {hint}")
    return {name: known[name] for name in (known if "all" in names else names)}


def _check(options: argparse.Namespace) -> None:
    if not options.images:
        raise ValueError("no images given; wanted two or more image files, or --list")
    if options.side < _MULTIPLE or options.side % _MULTIPLE:
        raise ValueError(f"--side is {options.side}; wanted a multiple of {_MULTIPLE}, such as 224")
    if options.seed not in range(2**32):
        raise ValueError(f"--seed is {options.seed}; wanted 0 to {2**32 - 1}")
    if options.out.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"--out is {options.out}; wanted a name that ends with one of {', '.join(_SUFFIXES)}")
    if not options.out.absolute().parent.is_dir():
        raise ValueError(f"--out is {options.out}, whose folder doesn't exist: make it first")
    if options.out.resolve() in [path.resolve() for path in options.images]:
        raise ValueError(f"--out is {options.out}, one of the images; name another file")


def _read(path: Path, side: int) -> np.ndarray:
    """Read an image as RGB on white, turned as its camera says, its center square resized to side x side."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGBA")
    except UnidentifiedImageError:
        raise ValueError(f"{path} is no image that Pillow can read") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} could not be read: {getattr(error, 'strerror', None) or error}") from None
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB")
    return np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))


def _name(path: Path, place: int) -> str:
    """The file's name in the letters that the font has: accents are left out, and other scripts get a count."""
    plain = unicodedata.normalize("NFKD", path.stem)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return plain if plain.isascii() and plain.isprintable() else f"image {place}"


def _fail(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code
