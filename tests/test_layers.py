"""The shape of the project: who imports whom, and how large files and functions are."""

import ast
import statistics
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("adv", "spaces", "finetune", "studies")
# What of the project each part may import, besides itself.
BELOW = {
    "adv": set(),
    "spaces": set(),
    "finetune": {"adv"},
    "studies": {"adv", "spaces", "finetune"},
    "search": {"adv", "spaces", "finetune", "studies"},
}
# The rooms of a part, the lowest first ("": the modules at its top). Rooms on one step do not know each other.
ROOMS = {
    "adv": [{"core"}, {"steps"}, {""}],
    "finetune": [{""}, {"tasks"}, {"data", "models"}, {"training"}],
    "studies": [{"planning"}, {"calibrating"}, {"running"}, {"results"}, {"report", "checking"}, {""}, {"commands"}],
}
# Functions whose parameters declare the options of the command, one per line.
OPTION_TABLES = {"main_command", "check_command"}
HEAVY = {"torch", "transformers", "datasets", "optuna"}


def files_of(part):
    return [ROOT / f"{part}.py"] if part == "search" else sorted((ROOT / part).rglob("*.py"))


def modules_in(nodes, package):
    """The full names of all modules that these nodes import; of ``from a import b`` also a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else None, node.module]))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (part.value.split("{")[0] for part in ast.walk(node) if isinstance(part, ast.Constant))


@cache
def read(path):
    """The modules that a file imports, also inside functions, and (place, lines) of every function; a file is read once.

    Of a table of options the lines below the table count.
    """
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    lengths = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.name in OPTION_TABLES else node
            lengths.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - first.lineno + 1))
    names = path.relative_to(ROOT).with_suffix("").parts
    return list(modules_in(nodes, names[0])), lengths


def imports(part):
    """(file, module) for every import in a part, also those inside functions."""
    for path in files_of(part):
        for module in read(path)[0]:
            yield path.relative_to(ROOT), module


def at_import(path):
    """Names of the modules that importing the file imports directly: all imports that no function encloses, and no
    type checker alone reads."""
    nodes, found = [ast.parse(path.read_text("utf-8"))], []
    while nodes:
        node = nodes.pop()
        typed = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not typed and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            found.append(node)
            nodes.extend(ast.iter_child_nodes(node))
    return set(modules_in(found, path.parent.name))


def top(module):
    return module.split(".")[0]


def python_files():
    return [path for part in ("search", *PACKAGES, "tests") for path in files_of(part)]


def functions():
    """(place, lines) of every function."""
    for path in python_files():
        yield from read(path)[1]


@pytest.mark.parametrize("part", BELOW)
def test_imports_go_one_way(part):
    found = [(str(path), module) for path, module in imports(part)]
    assert found
    upward = BELOW.keys() | {"tests", "benchmarks"}
    assert [pair for pair in found if top(pair[1]) in upward - BELOW[part] - {part}] == []


def room_of(part, module):
    """The room of a module's full name: "" at the top of the part, None for the part itself and what lies outside."""
    names = module.split(".")
    if names[0] != part or len(names) == 1:
        return None
    return names[1] if (ROOT / part / names[1]).is_dir() else ""


def against_the_rooms(part, path, modules):
    """The modules among those that a file imports that lie above its room, or beside it."""
    steps = {room: step for step, rooms in enumerate(ROOMS[part]) for room in rooms}
    own = path.parts[1] if len(path.parts) > 2 else ""
    for module in modules:
        room = room_of(part, module)
        if room not in (None, own) and steps[room] >= steps[own]:
            yield str(path), module


@pytest.mark.parametrize("part", ROOMS)
def test_rooms_import_one_way(part):
    # The door of a part is lazy, or gathers its rooms: it may name them all.
    found = [(path, module) for path, module in imports(part) if path != Path(part, "__init__.py")]
    rooms = {path.parts[1] if len(path.parts) > 2 else "" for path, _ in found}
    assert rooms == set().union(*ROOMS[part])
    assert [pair for path, module in found for pair in against_the_rooms(part, path, [module])] == []


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("adv/core/method.py", "adv.fgm"),
        ("adv/core/method.py", "adv.steps.weights"),
        ("adv/steps/weights.py", "adv.awp.AWP"),
        ("finetune/config.py", "finetune.tasks.kind"),
        ("finetune/data/load.py", "finetune.models.head"),
        ("finetune/models/head.py", "finetune.training"),
        ("studies/planning/plan.py", "studies.running.loop"),
        ("studies/checking/look.py", "studies.report.page"),
        ("studies/report/page.py", "studies.result"),
        ("studies/door.py", "studies.commands.search"),
    ],
)
def test_an_import_of_a_room_above_or_beside_is_seen(path, module):
    assert list(against_the_rooms(path.split("/")[0], Path(path), ["os", "adv", "finetune.errors", module]))[-1][1] == module


@pytest.mark.parametrize(("part", "allowed"), [("adv", {"torch"}), ("spaces", {"optuna"})])
def test_the_lowest_parts_need_one_library(part, allowed):
    known = sys.stdlib_module_names | allowed | {part}
    assert [(str(path), module) for path, module in imports(part) if top(module) not in known] == []


def test_of_optuna_the_spaces_know_the_distributions_only():
    names = {module for _, module in imports("spaces") if top(module) == "optuna"}
    assert names
    assert {name for name in names if not name.startswith("optuna.distributions")} == set()


def test_training_knows_nothing_of_optuna():
    assert [(str(path), module) for path, module in imports("finetune") if top(module) == "optuna"] == []


def test_the_command_answers_before_anything_heavy_is_imported():
    seen, waiting = set(), [ROOT / "search.py"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in at_import(path):
            assert top(module) not in HEAVY, f"{path.relative_to(ROOT)} imports {module}"
            if top(module) in BELOW:
                places = [ROOT / name.replace(".", "/") for name in (module, top(module))]
                files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
                waiting += [file for file in files if file.is_file()]
    assert "typer" in {top(module) for module in at_import(ROOT / "search.py")}


def test_files_are_short():
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {name: count for name, count in lines.items() if count > 300} == {}
    assert statistics.median(count for count in lines.values() if count) < 100


def test_functions_are_short():
    found = dict(functions())
    assert len(found) > 100
    assert {name: count for name, count in found.items() if count > 50} == {}


def test_the_walk_sees_imports_inside_functions_and_relative_ones():
    inside = "def f():\n    import optuna.x\n    from . import y\n    importlib.import_module('torch')\n"
    tree = ast.parse(inside + "import importlib")
    assert set(modules_in(ast.walk(tree), "adv")) == {"optuna.x", "adv", "adv.y", "importlib", "torch"}


def test_every_module_of_the_studies_is_named_by_a_test():
    modules = {path for path in files_of("studies") if path.name != "__init__.py"}
    named = set()
    for folder in ("studies", "cli", "helpers"):
        for path in (ROOT / "tests" / folder).rglob("*.py"):
            named |= set(read(path)[0])
    names = {str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in modules}
    assert len(names) > 50
    assert names - named == set()
