"""YAML as people mean it: 5e-5 is a number, 1:3 and "yes" are text, and a name that stands twice is an error."""

import re
from typing import Any

import yaml

# The plain values of YAML 1.2; by YAML 1.1, 5e-5 is text, 1:30 is 90, and no is false.
PLAIN = {
    "null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": ("true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": ("[-+]?[0-9]+", list("-+0123456789")),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
}


class Loader(yaml.SafeLoader):
    """Builds nothing but mappings, lists and plain values."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping.

        Raises:
            yaml.YAMLError: A name stands twice in it.
        """
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f"{key.value} stands twice, again in line {key.start_mark.line + 1}")
            seen.add(str(key.value))
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


for _tag, (_pattern, _first) in PLAIN.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
# SafeLoader reads 010 as 8.
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
