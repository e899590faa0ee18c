"""What docs/scale.md shows can be typed: its commands have these options, its scripts are shell, its job is YAML."""

import re
import shlex
import subprocess

import pytest
import yaml
from helpers.places import ROOT

import search
from studies.commands.options import arguments_of
from studies.planning.request import request_of

PAGE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
BLOCKS = ["\n".join(line[4:] for line in block.splitlines()) for block in re.findall(r"(?:^ {4}.*\n)+", PAGE, re.MULTILINE)]
SCRIPTS = [block for block in BLOCKS if block.startswith("#!/bin/bash")]
[JOB] = [yaml.safe_load(block) for block in BLOCKS if block.startswith("apiVersion")]
[CONTAINER] = JOB["spec"]["template"]["spec"]["containers"]
TYPED = [command for block in BLOCKS for command in re.findall(r"python (search\.py .*)", block.replace("\\\n", ""))]
COMMANDS = [*map(shlex.split, TYPED), CONTAINER["command"][1:]]


def test_the_page_has_scripts_and_commands():
    assert (len(SCRIPTS), len(COMMANDS)) == (2, 7)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_parses(command, capsys):
    assert search.run([*command[1:], "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_shell(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_an_array_without_a_server_gives_each_task_a_part_and_a_file_of_its_own():
    [command] = [block for block in SCRIPTS if "--part" in block]
    words = command[command.index("python search.py") :]
    printed = 'printf "%s\\n" ' + words.partition("search.py ")[2]
    task = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "16"}
    said = subprocess.run(["bash"], input=printed, text=True, check=True, capture_output=True, env=task).stdout.splitlines()
    given = dict(zip([name.removeprefix("--") for name in said[::2]], said[1::2], strict=True))
    assert (given["part"], given["storage"]) == ("3/16", "sqlite:///part-3.db")
    taken = {name: given[name] for name in ("part", "storage", "study", "trials", "method")}
    request = request_of(arguments_of(taken | {"trials": int(taken["trials"])}))
    assert request.study_name("essays", "awp") == "essays-part-3-of-16"
