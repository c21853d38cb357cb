"""One of several processes that stream images: prints what it saw as JSON, for test_streamed_processes.py.

python streamed_process.py FOLDER ADDRESS PROCESSES PROCESS
"""

import json
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2] / "train"), str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import tiny

import processes
from inputs import crops
from inputs.class_folders import class_folders
from inputs.streamed import Streamed


def main(folder: str, address: str, number: str, process: str) -> None:
    if int(number) > 1:
        jax.distributed.initialize(address, int(number), int(process))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    splits = class_folders(Path(folder))
    crop = partial(crops.random_resized_crop, size=8)
    half = (0.5,) * 3
    source = Streamed(
        *splits[:2], mesh, batch_size=16, seed=3, train_crop=crop, test_crop=crops.whole, mean=half, std=half
    )
    state = processes.put(tiny.Noted(np.int32(1)), source.replicated)
    advance, metrics = source.advance(tiny.note, jax.random.key(3)), []
    for epoch in (0, 1, 1):
        with jax.transfer_guard("disallow"):
            state, found = advance(state, epoch, 1)
        metrics.append(np.asarray(found)[0].tolist())
    source.close()
    rows = {}
    for position, batch in enumerate(source.batches(1)):
        for shard in batch.images.addressable_shards:
            for row, image in zip(range(16)[shard.index[0]], np.asarray(shard.data), strict=True):
                rows[f"{position} {row}"] = int(image.astype(np.int64).sum())
    count = jax.jit(lambda weight: weight.sum(), out_shardings=source.replicated)
    tested = [float(count(weight)) for _, weight in source.test_batches()]
    print(json.dumps({"metrics": metrics, "rows": rows, "tested": tested, "own": len(source._own)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
