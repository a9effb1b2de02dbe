"""The neighbour list in config.json (contract 01 §8)."""

from collections.abc import Callable

from ablestack_api.core.errors import StateFileDamaged
from ablestack_api.core.settings import Settings
from ablestack_api.state import json_file

Neighbor = dict[str, str]


def listed(settings: Settings) -> list[Neighbor]:
    """`ip` and `hostname` of each, in the order they were added."""
    return _neighbors(_read(settings), settings.neighbor_json)


def edit(settings: Settings, change: Callable[[list[Neighbor]], list[Neighbor]]) -> list[Neighbor]:
    """Other keys of the file are kept; a damaged one is never written over."""
    with json_file.locked(settings.neighbor_json):
        data = _read(settings)
        data["neighbor"] = change(_neighbors(data, settings.neighbor_json))
        json_file.write_json(settings.neighbor_json, data)
        return _neighbors(data, settings.neighbor_json)


def _read(settings: Settings) -> dict[str, object]:
    value = json_file.read_json(settings.neighbor_json)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise StateFileDamaged(f"{settings.neighbor_json} is not a JSON object; nothing was changed")
    return value


def _neighbors(data: dict[str, object], path: str) -> list[Neighbor]:
    value = data.get("neighbor") or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise StateFileDamaged(f"{path}: neighbor is not a list of objects; nothing was changed")
    return [{"ip": str(item.get("ip", "")), "hostname": str(item.get("hostname", ""))} for item in value]
