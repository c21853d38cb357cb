"""The rows of a comparison: what each of them trains with, and how it is named, by itself or in a paper's table."""

import dataclasses
from typing import Any

import cifar
import configuration
import recipes
import trainers
from eval import table_settings
from eval.paper_settings import PAPER_TABLES, PaperTable

__all__ = ["cells", "check", "headings", "in_folder", "notes", "paper_table", "settings"]


def paper_table(name: str) -> PaperTable:
    """The table of a paper. Raises ValueError if there is none of that name."""
    if name not in PAPER_TABLES:
        raise ValueError(f"there is no table {name!r}. There are: {', '.join(PAPER_TABLES)}.")
    return PAPER_TABLES[name]


def cells(train: Any, methods: tuple[str, ...], table: PaperTable | None, given: tuple[str, ...]) -> dict[str, Any]:
    """The training of each row, by name, but for its seed and folder.

    Args:
        train: the options of all trainings.
        methods: methods, or names of rows of the table.
        table: of a paper, whose rows have options of their own; None for rows that differ in their methods only.
        given: names of the options that the command line gives, which come before those of the table.
    """
    if table is None:
        return {method: dataclasses.replace(train, method=method) for method in methods}
    # Where a row has no value of its own, such as for other images than the paper's, it is the default of any training.
    plain = {name: getattr(cifar.Config(), name) for name in table.train if name not in given}
    made = table.cells(methods, _values(train, given))
    return {name: dataclasses.replace(train, **plain | row) for name, row in made.items()}


def in_folder(train: Any, table: PaperTable | None, given: tuple[str, ...]) -> dict[str, Any] | None:
    """The options of all rows of the table that a folder of it must have in common."""
    return None if table is None else table.cells(table.names(), _values(train, given))


def _values(train: Any, given: tuple[str, ...]) -> dict[str, Any]:
    names = [name for name in given if name not in configuration.FREE_ON_RESUME]
    return {name: getattr(train, name) for name in names if hasattr(train, name)}


def check(configs: dict[str, Any], table: PaperTable | None) -> None:
    """Raises ValueError for an invalid training, or a method that is neither one nor a row of the table."""
    for config in configs.values():
        configuration.check(config)
        try:
            trainers.check_method(config)
        except ValueError as error:
            rows = "" if table is None else f" Rows of the table: {', '.join(table.names())}."
            raise ValueError(f"{error}{rows}") from error


def headings(configs: dict[str, Any], table: PaperTable | None) -> dict[str, tuple[str, str]]:
    """The titles of the part of the table and of the row of each training."""
    rows = {name: name.rpartition("/")[2] for name in configs}
    return {
        name: (f"{config.model} on {config.dataset}", rows[name] if table is None else table.title(rows[name]))
        for name, config in configs.items()
    }


def notes(table: PaperTable | None) -> list[str]:
    """What to know about a paper's table."""
    if table is None:
        return []
    return [f"{table.paper}.", *table.notes, *(f"Missing: {row}." for row in table.missing)]


def settings(configs: dict[str, Any], table: PaperTable | None) -> dict[str, dict[str, dict[str, str]]]:
    """What each row trains with, `[part][row][setting]`. Raises ValueError for data that are missing and needed,
    and for another program.
    """
    if not all(isinstance(config, cifar.Config) for config in configs.values()):
        raise ValueError("--list is for --program cifar alone; train/recipes has the methods of the other programs.")
    titles, parts = headings(configs, table), dict[str, dict[str, dict[str, str]]]()
    for name, config in configs.items():
        known = config.dataset in recipes.cifar.DATASETS
        dataset = table_settings.outline(config.dataset) if known else cifar.load(config)
        found = table_settings.settings(cifar.resolve(config, dataset), cifar.recipe_of(config, dataset))
        part, row = titles[name]
        parts.setdefault(part, {})[row] = found
    return parts
