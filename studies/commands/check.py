"""The check command: one attacked step on the user's model and data, and whether the attack acts."""

import dataclasses
from typing import Any

from rich.console import Console
from rich.table import Table

from adv import METHODS, Clean, Method
from finetune.arguments import as_options
from finetune.machine import all_cores
from finetune.words import counted, short, some
from studies.checking.facts import Facts
from studies.checking.look import Checked
from studies.checking.meter import Spent
from studies.checking.probe import Bed
from studies.commands.methods import passes_text
from studies.report.terminal import say

NAMED = 3
MIB = 2**20


def print_check(console: Console, checked: Checked) -> None:
    """Print what was attacked, what it cost, and what is wrong."""
    method = checked.method
    say(console, f"{registered(method)} ({method.paper}): {settings_text(method)}")
    if checked.seen is not None:
        facts, bed, spent, doubt = (getattr(checked.seen, name) for name in ("facts", "bed", "spent", "doubt"))
        console.print(facts_table(facts, bed, checked.recipe.model))
        console.print(beside(facts, spent, doubt))
        say(console, clocked(facts, spent, doubt))
        if checked.curve is not None:
            print_curve(console, checked.curve)
    for finding in checked.findings:
        say(console, f"{finding.kind}: {as_options(finding.text)}")
    if checked.good:
        say(console, "ok: a clean step" if isinstance(method, Clean) else "ok: the attack acts")


def registered(method: Method) -> str:
    """The name under which a method is registered."""
    return next(name for name, kind in METHODS.items() if kind is type(method))


def settings_text(method: Method) -> str:
    """All settings as name=value."""
    return " ".join(f"{field.name}={short(getattr(method, field.name))}" for field in dataclasses.fields(method))


def facts_table(facts: Facts, bed: Bed, model: str) -> Table:
    """A table of what was attacked and how far it moved."""
    weights = list(facts.model.parameters())
    trained = sum(p.numel() for p in weights if p.requires_grad)
    rows, length = bed.micro.batch["input_ids"].shape
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    whole = sum(p.numel() for p in weights)
    size = f"{whole:,} parameters" + (f", of which {trained:,} train" if trained < whole else "")
    table.add_row("model", f"{model} ({named(facts.model)}), {size}")
    table.add_row("batch", f"the first of training: {rows} texts, up to {length} tokens, on {bed.device}")
    table.add_row("matched", "\n".join(matched(facts)))
    share, cut = facts.relative, facts.measured.get("clipped")
    table.add_row("relative size", "-" if share is None else f"{share:.3g} of what it perturbs")
    table.add_row("share clipped", "-" if cut is None else f"{cut:.1%} stopped by the ball or box")
    if bed.precision.scaler is not None:
        table.add_row("loss scale", f"{bed.precision.scaler.get_scale():g}, halved {facts.halvings} times")
    return table


def named(model: Any) -> str:
    """The class of a model; of one with a pooling head, that of its encoder and how it pools."""
    how = getattr(getattr(model, "head", None), "pooling", None)
    return f"{type(model.encoder).__name__}, pooled by {how}" if isinstance(how, str) else type(model).__name__


def matched(facts: Facts) -> list[str]:
    """The modules and weight tensors that the method touched."""
    observer, parameters = facts.observer, dict(facts.model.named_parameters())
    modules = dict(facts.model.named_modules())
    moved = {name: size for name, size in observer.modules.items() if size}
    lines = []
    # AWP also hooks the embedding, to see which rows are looked up, but it moves weights.
    for name in moved or ({} if observer.weights else observer.modules):
        shape = " x ".join(str(n) for p in modules[name].parameters(recurse=False) for n in p.shape if p.dim() > 1)
        size = sum(p.numel() for p in modules[name].parameters())
        text = f"output of {name or 'the model'} ({type(modules[name]).__name__}"
        lines.append(text + (f", {shape}, {size:,} parameters)" if shape else f", {size:,} parameters)"))
    if observer.weights:
        names = list(observer.weights)
        held, changed = sum(parameters[name].numel() for name in names), sum(observer.weights.values())
        lines.append(
            f"{counted(len(names), 'weight tensor')} ({held:,} parameters, {changed:,} moved): {some(names, NAMED)}"
        )
    return lines or ["-"]


def beside(facts: Facts, spent: Spent, doubt: str) -> Table:
    """The attacked step next to the clean one; doubtful times give no ratio."""
    clean, attacked, cost, gap = facts.clean, facts.attacked, facts.method.cost(), facts.gap
    table = Table("", "clean step", "attacked step", "", box=None, pad_edge=False)
    under = "-" if gap is None else f"{facts.observer.under:.6g}"
    table.add_row("loss", f"{clean.objective:.6g}", under, "" if gap is None else f"{gap:+.3g}")
    table.add_row("objective", f"{clean.objective:.6g}", f"{attacked.objective:.6g}", "")
    table.add_row("gradient norm", f"{clean.norm:.4g}", f"{attacked.norm:.4g}", f"cosine {facts.cosine:.3f}")
    table.add_row("passes", passes_text(Clean().cost()), passes_text(cost), f"{cost.relative:.2f}x")
    seconds, peaks = spent.seconds, spent.peaks
    times = [*(f"{s * 1e3:.1f} ms" for s in seconds), f"{spent.ratio:.2f}x"]
    table.add_row("time", *(["-", "-", "not measured"] if doubt else times))
    table.add_row("memory", *(f"{b / MIB:.2f} MiB" for b in peaks), f"{peaks[1] / max(1, peaks[0]):.2f}x")
    table.caption, table.caption_justify = f"loss: before and under attack; memory: {spent.counted}", "left"
    return table


def print_curve(console: Console, curve: dict[str, Any]) -> None:
    """How the loss rises with the strength of the attack, and the two limits between which a search would draw."""
    if curve.get("curve"):
        table = Table(" = ".join(curve["names"]), "loss under attack", "rise", "", box=None, pad_edge=False)
        for value, rise, _ in curve["curve"]:
            place = "drowns" if rise < curve["noise"] else "takes all" if curve["zero"] + rise > curve["untrained"] else ""
            table.add_row(f"{value:.3g}", f"{curve['zero'] + rise:.4g}", f"{rise:+.3g}", place)
        console.print(table)
    say(console, as_options(f"for a search: {curve['why']}"))


def clocked(facts: Facts, spent: Spent, doubt: str) -> str:
    """How the times were measured, or the cost by passes if they were not."""
    load = "unknown" if spent.load is None else f"{spent.load:.1f}"
    if doubt:
        return f"time: not measured: {doubt}; by passes {facts.method.cost().relative:.2f}x"
    machine = f"load of the machine {load} before, {counted(all_cores(), 'core')}"
    return f"time: the median of steps that took turns; {machine}"
