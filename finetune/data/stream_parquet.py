"""Parquet as a source of rows, batch by batch."""

import io
from collections.abc import Iterator
from pathlib import Path

from finetune.data.decode import PACKED, read_bytes
from finetune.data.hub import quiet_datasets, with_names
from finetune.data.stream import Record, Source
from finetune.errors import UserError, first_line
from finetune.words import some

# Rows that are unpacked together.
BATCH = 4096
SHOWN = 3


def parquet_source(path: Path) -> Source:
    """The rows of a Parquet file, with class names instead of numbers where it has names.

    Raises:
        UserError: It is not a Parquet file, or two columns have one name.
    """
    from pyarrow import parquet

    what = f"{path} cannot be read as parquet"
    inside = io.BytesIO(read_bytes(path)) if path.suffix.lower() in PACKED else path
    with quiet_datasets() as datasets:
        try:
            schema = parquet.ParquetFile(inside).schema_arrow
            features = datasets.Features.from_arrow_schema(schema)
        except Exception as error:  # many unrelated types, which all mean: not readable
            raise UserError(f"{what}: {first_line(error)[:160]}") from None
    names = tuple(map(str, schema.names))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{path} has several columns named {some(twice, SHOWN)}; rename all but one")
    classes = with_names({name: [] for name in names}, features).classes

    def records() -> Iterator[Record]:
        try:
            for batch in parquet.ParquetFile(inside).iter_batches(batch_size=BATCH):
                table = with_names(batch.to_pydict(), features)
                yield from (([cells[row] for cells in table.values()], 0) for row in range(table.rows))
        except (OSError, ValueError) as error:
            raise UserError(f"{what}: {first_line(error)[:160]}") from None

    return Source(path, names, records, classes)
