"""What a running lab cannot be asked for: which product its nodes got, and which services are set up."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.lab import paths


@dataclass(frozen=True)
class State:
    """`tree` is the product's file tree that the nodes have; `services` are those whose set-up is finished.

    `layers` is the folder with a layer for each node that the nodes' disks are made on; empty without one.
    """

    tree: str = ""
    layers: str = ""
    services: tuple[str, ...] = ()

    def with_service(self, name: str) -> "State":
        """The same, with one more service set up."""
        return replace(self, services=(*self.services, name))


def read(profile: str) -> State:
    """The state of a profile's lab; an empty one when there is none, or it cannot be read any more."""
    try:
        entry = json.loads(_file(profile).read_text(encoding="utf-8"))
        return State(str(entry["tree"]), str(entry["layers"]), tuple(entry["services"]))
    except (OSError, ValueError, KeyError, TypeError):
        return State()


def write(profile: str, state: State) -> None:
    """Keep the state until the lab is taken down or the machine restarts."""
    file = _file(profile)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(asdict(state), indent=4), encoding="utf-8")
    new.rename(file)


def _file(profile: str) -> Path:
    return paths.run_folder(profile) / "state.json"
