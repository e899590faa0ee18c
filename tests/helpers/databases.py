"""On which databases a test runs: on all three where rows, locks and clocks are the point, else on SQLite."""

import pytest

SERVERS = ("postgresql", "mysql")
sqlite_alone = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def crossed(names, cases):
    """Every case on SQLite, and one on each server: for cases that the database has no part in.

    Args:
        names: Arguments of the test, as a tuple.
        cases: Their values, by what the case is called.
    """
    on_servers = zip(SERVERS, [*cases.items(), *cases.items()][: len(SERVERS)], strict=True)
    runs = [*(("sqlite", case) for case in cases.items()), *on_servers]
    rows = [pytest.param(database, *values, id=f"{database}-{name}") for database, (name, values) in runs]
    return pytest.mark.parametrize(("url", *names), rows, indirect=["url"])
