"""How tags are spelt: in the usual way, whatever the file's; and what is said about them."""

from collections import Counter
from collections.abc import Mapping

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.cells import label_columns
from finetune.tasks.schemes import begun, in_order, without_begin, written
from finetune.tasks.table import Table
from finetune.words import counted, some

SHOWN = 4
# Letters that each scheme may have.
SCHEMES = {"iob1": {"B", "I"}, "iob2": {"B", "I"}, "iobes": set("BIES"), "bilou": set("BILU")}
KEEPS = arg("tag_scheme", "iob2") + " leaves them"


def spell(tables: Mapping[str, Table], column: str, scheme: str | None, told: list[str]) -> None:
    """Write tags as O, B-person and so on, IOB1 as IOB2: changes the tables and adds lines that say so.

    Args:
        tables: The splits with tags.
        column: The column of the tags, a list of texts in each cell.
        scheme: The scheme that is given, or None; "plain" leaves everything as it is.
        told: Lines to print; lines are added.

    Raises:
        UserError: Only some tags have a prefix, or the tags are not of the given scheme.
    """
    _usual(tables, column, scheme, told)
    _strange(tables, column, told)


def _usual(tables: Mapping[str, Table], column: str, scheme: str | None, told: list[str]) -> None:
    if scheme == "plain":
        return
    where, known = label_columns([column]), {tag for table in tables.values() for tags in table[column] for tag in tags}
    found = written(known)
    if found.mixed:
        what = (
            f"{some(found.mixed, SHOWN)} {'has' if len(found.mixed) == 1 else 'have'} no prefix such as B-, others have one"
        )
        raise UserError(f"{where}: {what}; correct the tags, or give {arg('tag_scheme', 'plain')} to take them as they are")
    if found.plain:
        if scheme is not None:
            what = f"its tags ({some(sorted(known), SHOWN)}) have no prefixes such as B- and I-"
            raise UserError(f"{arg('tag_scheme', scheme)}: {what}")
        numbers = " (numbers without names)" if all(tag.isdigit() for tag in known) else ""
        told.append(f"{where}: the tags have no prefixes such as B-{numbers}: they are scored word by word, not as entities")
        return
    if found.renamed:
        first = next(iter(found.renamed.items()))
        what = f"{counted(len(found.renamed), 'tag')} {'is' if len(found.renamed) == 1 else 'are'} written in the usual way"
        told.append(f"{where}: {what} ({first[0]} as {first[1]}); {arg('tag_scheme', 'plain')} takes them as they are")
        for table in tables.values():
            table[column] = [[found.renamed.get(tag, tag) for tag in tags] for tags in table[column]]
            table.classes[column] = tuple(
                dict.fromkeys(found.renamed.get(tag, tag) for tag in table.classes.get(column, ()))
            )
    _begin(tables, column, told, scheme)


def _begin(tables: Mapping[str, Table], column: str, told: list[str], scheme: str | None) -> None:
    """IOB1 becomes IOB2; in IOB2 the entities that begin with I- are counted."""
    known = in_order(tag for table in tables.values() for tags in table[column] for tag in tags)
    letters = {tag[0] for tag in known} - {"O"}
    if scheme is not None and not letters <= SCHEMES[scheme]:
        wrong = some([tag for tag in known if tag[0] not in SCHEMES[scheme] | {"O"}], SHOWN)
        raise UserError(f"{arg('tag_scheme', scheme)} has no tags such as {wrong} in {label_columns([column])}")
    if not letters <= {"B", "I"} or "B" not in letters:
        return
    sums = [without_begin(tags) for table in tables.values() for tags in table[column]]
    alone, free = (sum(pair[i] for pair in sums) for i in (0, 1))
    where = label_columns([column])
    if scheme == "iob1" or (scheme is None and alone and not free):
        for table in tables.values():
            table[column] = [begun(tags) for tags in table[column]]
            if own := table.classes.get(column):
                table.classes[column] = in_order({*own, *("B" + tag[1:] for tag in own if tag[0] == "I")})
        told.append(f"{where}: the tags are IOB1 and read as IOB2, where every entity begins with B-; {KEEPS}")
    elif alone:
        begin = f"{counted(alone, 'entity begins', 'entities begin')} with I- instead of B-"
        told.append(f"{where}: {begin}: entity_f1 counts {'it' if alone == 1 else 'them'}, entity_f1_strict does not")


def _strange(tables: Mapping[str, Table], column: str, told: list[str]) -> None:
    """Say which tags the train split does not have."""
    known = {tag for tags in tables["train"][column] for tag in tags}
    for split, table in tables.items():
        tally = Counter(tag for tags in table[column] for tag in tags if tag not in known)
        if tally:
            names = [f"{tag} ({count})" for tag, count in tally.most_common()]
            what = f"{some(names, SHOWN)}: it cannot be learned and counts as missed"
            told.append(f"{label_columns([column])}: the {split} data has a tag that the train data does not have: {what}")
