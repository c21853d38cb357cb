"""The split of the training images into those that are trained on and those that validate."""

import numpy as np

from inputs.dataset import Dataset

__all__ = ["split"]


def split(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Move a share of the training images, of each class alike, to the validation images; all stay in their order.

    The seed alone decides which. Raises ValueError where that leaves a class without an image on either side.
    """
    # Frozen by numpy for its RandomState, which it shuffles with: the same split in every version.
    from sklearn.model_selection import train_test_split

    if dataset.validation_images is not None:
        raise ValueError(f"--val-share is {share}; wanted 0, as {dataset.name} has validation images of its own.")
    count = len(dataset.train_images)
    try:
        train, validation = train_test_split(
            np.arange(count), test_size=share, stratify=dataset.train_labels, random_state=seed
        )
    except ValueError as error:
        raise ValueError(
            f"--val-share is {share}, by which the {count} training images of {dataset.name} can't be split, each "
            f"class alike: {error}"
        ) from error
    train, validation = np.sort(train), np.sort(validation)
    return dataset._replace(
        train_images=dataset.train_images[train],
        train_labels=dataset.train_labels[train],
        validation_images=dataset.train_images[validation],
        validation_labels=dataset.train_labels[validation],
    )
