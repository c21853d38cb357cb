"""Images per second and core of the loader, next to bare Pillow and to torch's DataLoader.

    PYTHONPATH=. python benchmarks/loader.py --set DIR 224 --set DIR 64

DIR is a folder of classes, see train/inputs/class_folders.py; without one, images are made up. Everyone decodes the
same files, crops them by torchvision's RandomResizedCrop to the side that follows and stacks 8-bit batches of 64, by
one thread: Pillow in a plain loop without stacking, the loader with Pillow and with simplejpeg, torch without workers.
What is counted is the time on the processor of all threads of the process: it is that of one core, and hardly changes
with what else the machine does. Contenders run interleaved in one process, in random order, round after round; ratios
are medians over rounds. torch and torchvision are optional; the result says whether they were there.
"""

import argparse
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import measure

measure.with_allocator()
sys.path.append(str(pathlib.Path(__file__).parents[1] / "train"))

import grain
import numpy as np
import PIL
from PIL import Image, ImageFilter

from inputs import crops, decoding
from inputs.class_folders import class_folders
from inputs.decoded import DecodedImages
from inputs.listing import Listing
from inputs.pipeline import InRandomOrder, Order, Parts, stream

try:
    import torch
    import torchvision
except ImportError:
    torch = torchvision = None

BATCH = 64
# A contender: the seconds on the processor for an image.
Contender = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=2, action="append", metavar=("DIR", "SIDE"), help="folder, side of the crops")
    parser.add_argument("--images", type=int, default=1024, help="of each folder")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--note", default="", help="for the result, such as what else the machine did")
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        for folder, side in arguments.set or made_up(pathlib.Path(scratch)):
            listing = class_folders(pathlib.Path(folder)).train
            listing = listing.chosen(np.linspace(0, len(listing) - 1, min(arguments.images, len(listing))).astype(int))
            results[f"{pathlib.Path(folder).name}, {side} px"] = compare(listing, int(side), arguments.rounds)
    path = measure.write(
        "loader",
        versions=versions(),
        load=os.getloadavg(),
        note=arguments.note,
        torch="there" if torch else "not installed",
        rounds=arguments.rounds,
        sets=results,
    )
    print(path)


def compare(listing: Listing, side: int, rounds: int) -> dict[str, Any]:
    contenders = contenders_of(listing, side)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for warm in (True, *[False] * rounds):
        for name in random.sample(list(contenders), len(contenders)):
            spent = contenders[name]()
            if not warm:
                times[name].append(spent)
    found: dict[str, dict[str, Any]] = {}
    for name, seconds in times.items():
        found[name] = {"images per second": round(1 / statistics.median(seconds), 1)}
        for base in ("pillow", "torch"):
            if base in times and base != name:
                found[name][f"of {base}"] = measure.ratios(times[base], seconds)
        print(f"{side} px  {name}: {found[name]}", flush=True)
    sizes = [len(listing[index]) for index in range(0, len(listing), 16)]
    return {"images": len(listing), "kB per file": round(statistics.mean(sizes) / 1e3, 1), "contenders": found}


def contenders_of(listing: Listing, side: int) -> dict[str, Contender]:
    found: dict[str, Contender] = {"pillow": partial(bare, listing, side)}
    decoders = {"loader": decoding.decode}
    if decoding.simplejpeg is not None:
        decoders["loader, simplejpeg"] = decoding.decode_jpeg
    for name, decoder in decoders.items():
        crop = partial(crops.random_resized_crop, size=side)
        found[name] = partial(loader, DecodedImages(listing, crop, random=True, decoder=decoder), [0])
    if torch is not None:
        found["torch"] = partial(data_loader, torch_loader(listing, side), len(listing))
    return found


def bare(listing: Listing, side: int) -> float:
    """Pillow in a loop: the same transform, nothing stacked."""
    generator = np.random.default_rng(random.randrange(2**32))
    begun = time.process_time()
    for index in range(len(listing)):
        with open(listing.path(index), "rb") as file:
            image = Image.open(file).convert("RGB")
        box = crops.drawn_box(generator, image.height, image.width)
        cropped = image.crop((box.left, box.top, box.left + box.width, box.top + box.height))
        np.asarray(cropped.resize((side, side), Image.Resampling.BILINEAR))
    return (time.process_time() - begun) / len(listing)


def loader(images: DecodedImages, epoch: list[int]) -> float:
    """The next epoch of the loader, by one thread."""
    steps = len(images) // BATCH
    order = Order(len(images), BATCH, steps)
    parts = Parts(InRandomOrder(images, 3), order, range(BATCH), images.shape)
    iterator = iter(stream(parts, epoch[0] * steps, (epoch[0] + 1) * steps, threads=1))
    epoch[0] += 1
    begun, count = time.process_time(), 0
    for rows in iterator:
        count += len(rows.labels)
    spent = time.process_time() - begun
    iterator.close()
    return spent / count


def torch_loader(listing: Listing, side: int) -> Any:
    """torch's DataLoader of the same files, with torchvision's transforms."""
    transforms = torchvision.transforms
    transform = transforms.Compose([transforms.RandomResizedCrop(side), transforms.PILToTensor()])

    class Images(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(listing)

        def __getitem__(self, index: int) -> tuple[Any, int]:
            with open(listing.path(index), "rb") as file:  # as torchvision's ImageFolder
                image = Image.open(file).convert("RGB")
            return transform(image), int(listing.labels[0])

    torch.set_num_threads(1)
    return torch.utils.data.DataLoader(Images(), BATCH, shuffle=True, drop_last=True)


def data_loader(batches: Any, count: int) -> float:
    begun, seen = time.process_time(), 0
    for images, _ in batches:
        seen += len(images)
    return (time.process_time() - begun) / seen


def made_up(folder: pathlib.Path) -> list[tuple[str, str]]:
    """Folders of smoothed noise: as large as ImageNet's images, and as Tiny-ImageNet's."""
    generator, found = np.random.default_rng(0), []
    for name, size, side in (("made up, 500x375", (500, 375), "224"), ("made up, 64x64", (64, 64), "64")):
        for split, count in (("train", 128), ("val", 1)):
            for number in range(2 * count):
                path = folder / name / split / "ab"[number % 2] / f"{number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = generator.integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), np.uint8)
                image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
                image.filter(ImageFilter.DETAIL).save(path, quality=90)
        found.append((str(folder / name), side))
    return found


def versions() -> dict[str, str]:
    found = {"grain": grain.__version__, "numpy": np.__version__, "pillow": PIL.__version__}
    if decoding.simplejpeg is not None:
        found["simplejpeg"] = decoding.simplejpeg.__version__
    if torch is not None:
        found |= {"torch": torch.__version__, "torchvision": torchvision.__version__}
    return found


if __name__ == "__main__":
    main()
