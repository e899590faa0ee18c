"""Tables that the ``datasets`` package reads: saved folders, the hub, Parquet files."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune.arguments import arg
from finetune.errors import UserError, first_line
from finetune.tasks.table import Table


@contextmanager
def quiet_datasets() -> Iterator[Any]:
    """The ``datasets`` package without progress bars and log: failures are raised anyway."""
    import datasets

    hidden, level = datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield datasets
    finally:
        datasets.logging.set_verbosity(level)
        if not hidden:
            datasets.enable_progress_bars()


def read_saved(folder: Path) -> dict[str, Table]:
    """A folder that ``datasets.save_to_disk`` wrote: several splits, or one, which is then the training split.

    Raises:
        UserError: The folder is damaged.
    """
    with quiet_datasets() as datasets:
        try:
            saved = datasets.load_from_disk(str(folder))
        except Exception as error:  # many unrelated types, which all mean: not readable
            raise UserError(f"{arg('data', folder)} is not a complete data set: {first_line(error)[:160]}") from None
        splits = saved if isinstance(saved, dict) else {"train": saved}
        return {str(name): with_names(table.to_dict(), table.features) for name, table in splits.items()}


def read_hub(name: str) -> dict[str, Table]:
    """A data set from the hub, or offline from the local cache.

    Raises:
        UserError: The data set cannot be loaded.
    """
    with quiet_datasets() as datasets:
        try:
            loaded = datasets.load_dataset(name)
        except Exception as error:  # many unrelated types, which all mean: not available
            what = f"there is no such folder, and it cannot be loaded from the hub: {first_line(error)}"
            raise UserError(f"{arg('data', name)}: {what}") from None
        return {str(split): with_names(table.to_dict(), table.features) for split, table in loaded.items()}


def read_parquet(raw: bytes, what: str) -> Table:
    """A Parquet file.

    Raises:
        UserError: It is not a Parquet file.
    """
    from pyarrow import parquet

    with quiet_datasets() as datasets:
        try:
            table = parquet.read_table(io.BytesIO(raw))
            features = datasets.Features.from_arrow_schema(table.schema)
        except Exception as error:  # many unrelated types, which all mean: not readable
            raise UserError(f"{what}: {first_line(error)[:160]}") from None
        return with_names(table.to_pydict(), features)


def with_names(columns: dict[str, list[Any]], features: Mapping[str, Any]) -> Table:
    """Columns, with class names instead of class numbers if the data set has names; -1 means that a label is missing.

    Names may also be those of numbers in lists.
    """
    kinds = {str(key): getattr(kind, "feature", kind) for key, kind in features.items()}
    classes = {key: tuple(kind.names) for key, kind in kinds.items() if getattr(kind, "names", None)}
    found = {str(key): values for key, values in columns.items()}
    for key, names in classes.items():
        found[key] = [_named(value, names) for value in found[key]]
    return Table(found, classes=classes)


def _named(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return names[value] if value is not None and 0 <= value < len(names) else None
