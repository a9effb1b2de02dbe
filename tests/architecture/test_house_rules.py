"""Rules of docs/architecture.md that import-linter cannot see."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ablestack_api.app import create_app
from ablestack_api.core import errors
from ablestack_api.core.errors import ApiError
from ablestack_api.web import endpoint
from tests.support.node_under_test import NodeUnderTest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "ablestack_api"


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def all_errors(root: type[ApiError] = ApiError) -> list[type[ApiError]]:
    return [root, *(found for child in root.__subclasses__() for found in all_errors(child))]


def test_only_the_settings_read_the_environment() -> None:
    readers = [path.relative_to(PACKAGE) for path in sources() if re.search(r"os\.(environ|getenv)", path.read_text())]
    assert readers == [Path("core/settings.py")]


def test_only_named_floors_import_sqlite() -> None:
    importers = [
        path.relative_to(PACKAGE) for path in sources() if re.search(r"^\s*(import|from) sqlite3", path.read_text(), re.M)
    ]
    assert set(importers) <= {Path("state/jobs_db.py")}


@pytest.mark.parametrize("word", ["utils", "common", "helper", "helpers", "manager", "misc"])
def test_no_module_is_named_after_nothing(word: str) -> None:
    assert [path for path in sources() if word in path.stem.split("_") or word in path.parent.name.split("_")] == []


def test_every_kind_of_error_is_used_once_and_documented() -> None:
    kinds = [error.kind for error in all_errors()]
    assert len(kinds) == len(set(kinds))
    documented = re.findall(r"^\| `([a-z_]+)` \| (\d+) \|", (REPOSITORY / "docs/errors.md").read_text(), re.M)
    assert sorted(documented) == sorted((error.kind, str(error.status)) for error in all_errors())


def test_all_errors_live_in_one_tree() -> None:
    assert {error.__module__ for error in all_errors()} == {errors.__name__}


def test_the_readme_lists_every_variable() -> None:
    read = set(re.findall(r'"((?:ABLESTACK|CUBE)_[A-Z_]+)"', (PACKAGE / "core/settings.py").read_text()))
    told = set(re.findall(r"^\| `((?:ABLESTACK|CUBE)_[A-Z_]+)`", (REPOSITORY / "README.md").read_text(), re.M))
    assert read == told


def test_every_view_declares_who_may_call_it(node: NodeUnderTest) -> None:
    app = create_app(node.env)
    undeclared = [name for name, view in app.view_functions.items() if endpoint.of(view) is None]
    # flasgger's own extra pages: the guard asks for a credential there.
    assert sorted(undeclared) == ["flasgger.<lambda>", "flasgger.oauth_redirect"]


def test_views_hold_no_try_and_stay_short() -> None:
    for path in PACKAGE.rglob("*routes.py"):
        text = path.read_text()
        assert not re.search(r"^\s*try:", text, re.M), f"{path} holds a try"
        bodies = re.split(r"\n(?=def )", text)[1:]
        assert all(len(body.split("\n\n\n")[0].splitlines()) <= 16 for body in bodies), f"{path} has a long view"


def test_the_token_helper_starts_with_nothing_heavy() -> None:
    """Its start is its cost: see the benchmark. `--help` imports all it ever imports on the usual way."""
    program = "import sys, ablestack_api.auth_token; print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"flask", "pydantic", "dataclasses", "typing", "pathlib", "logging", "argparse", "filelock", "jwt", "tempfile"}
    assert heavy.isdisjoint(loaded)


def test_the_changelog_has_a_section_for_the_version() -> None:
    version = (REPOSITORY / "VERSION").read_text().strip()
    assert f"## [{version}]" in (REPOSITORY / "CHANGELOG.md").read_text()
