"""What to do after a search: the line that names the confirmation, or what it found."""

from finetune.arguments import arg, as_arguments, as_options, typed
from studies.planning.part import Part
from studies.results.confirm_words import headline
from studies.results.summary import Summary
from studies.running.command import elsewhere
from studies.running.stages import VERDICT, find_stage
from studies.running.storage import database_file, public


def following(summary: Summary, storage: str, out: str, python: bool = False) -> str | None:
    """The next step with a finished search; None if there is none.

    Args:
        summary: The search.
        storage: URL of its database.
        out: The folder for results.
        python: Whether the reader types Python, not commands. A loop of one's own can only be confirmed there.

    Returns:
        How to merge, if it is a part of a search; how to confirm the best, if it beats clean training; the verdict's first
        sentence, if that has been done.
    """
    part = Part.of_study(summary.about)
    if not part.whole:
        file, when = database_file(storage), f"when all {part.of} parts have ended"
        named = public(storage) if file is None else str(file)
        command = f"python search.py merge {typed(named)} ... --into all.db"
        call = f"merge({named!r}, ..., into='all.db')" if python else command
        return f"next: {call} ({when}, with the databases of all)"
    if summary.confirmed is not None:
        return headline(summary.confirmed)
    if (summary.gain or 0) <= 0 or find_stage(summary.study, VERDICT) is not None:
        return None
    words = [arg("study", summary.study.study_name), *elsewhere(storage, out)]
    why = "is the gain real? Fresh seeds tell"
    loop = summary.about["data"].get("loop")
    if loop is not None:
        named = loop.rpartition(".")[2]
        words.insert(1, f"train={named if named.isidentifier() else '...'}")  # a lambda has no name
    if loop is not None or python:
        return f"next: confirm({', '.join(map(as_arguments, words))}) ({why})"
    return f"next: python search.py confirm {' '.join(map(as_options, words))} ({why})"
