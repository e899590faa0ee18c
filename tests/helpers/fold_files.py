"""Files with columns of groups and folds."""

import csv

from helpers.small_tasks import write_lines


def rows(count=24, **columns):
    """Rows with two labels in turn, and columns that are lists or functions of the row's number."""
    found = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(count)]
    for name, value in columns.items():
        for n, row in enumerate(found):
            row[name] = value(n) if callable(value) else value[n]
    return found


def as_csv(path, table, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(table[0])
        writer.writerows(row.values() for row in table)
    return str(path)


def as_parquet(path, table):
    from pyarrow import Table, parquet

    parquet.write_table(Table.from_pylist(table), path)
    return str(path)


WRITERS = {"t.csv": as_csv, "t.tsv": lambda p, t: as_csv(p, t, "\t"), "t.jsonl": write_lines, "t.parquet": as_parquet}
