"""Whoever is told that a program is missing is told which package brings it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from ablestack_api import tools
from ablestack_api.core.runner import PACKAGES


def programs(tree: ast.AST) -> Iterator[str]:
    """The first word of each list that is run, or is called an argv."""
    for node in ast.walk(tree):
        words: ast.expr | None = None
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("runner.run", "runner.pipe") and node.args:
            words = node.args[0]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).lower() == "argv":
            words = node.value
        if isinstance(words, ast.List | ast.Tuple) and isinstance(words.elts[0], ast.Constant):
            yield str(words.elts[0].value)


def test_every_program_has_its_package() -> None:
    used = {name for path in Path(tools.__path__[0]).glob("*.py") for name in programs(ast.parse(path.read_text()))}
    assert {"lsblk", "vgcreate", "crontab", "crm_mon", "mysqldump"} <= used
    assert used - set(PACKAGES) == set()


def test_the_list_is_in_order() -> None:
    assert list(PACKAGES) == sorted(PACKAGES)
