"""Domain XML from the templates of this node (`xml-template/`, Jinja2): values are escaped, what comes out is looked at.

An operator may change a template; one that is missing, broken, or leaves out what was asked for is told by its name.
"""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError

from ablestack_api.core.errors import TemplateUnusable
from ablestack_api.core.settings import Settings
from ablestack_api.hypervisor import domain_xml
from ablestack_api.hypervisor.domain_xml import Definition, NotADomain

FOLDER = "xml-template"
FIRST_SLOT = 0x14  # enp0s20 in the guest: where both machines' network cards begin
LAST_SLOT = 0x1E  # 0x1f is the SATA controller
BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class NetworkCard:
    """`slot` is a PCI slot of bus 0 as `0x14`; `openvswitch` says what kind of bridge `bridge` is."""

    number: int
    mac: str
    bridge: str
    slot: str
    openvswitch: bool = False


def folder(settings: Settings) -> str:
    return os.path.join(settings.config_root, FOLDER)


def render(settings: Settings, template: str, values: Mapping[str, object]) -> str:
    """The XML of a domain. `values` hold at least `name`, `uuid`, `memory` (GiB), `cpu`, `cards` (NetworkCard).

    Raises TemplateUnusable; its text names the file and the line.
    """
    place = os.path.join(folder(settings), template)
    try:
        text = _environment(folder(settings)).get_template(template).render(values)
    except TemplateNotFound as error:
        missing = os.path.join(folder(settings), str(error.name))
        raise _unusable(missing, "does not exist; install the package again or put it back") from error
    except TemplateSyntaxError as error:
        raise _unusable(error.filename or place, f"line {error.lineno}: {error.message}") from error
    except Exception as error:  # a template is code of whoever wrote it: it can fail in any way
        raise _unusable(place, f"{type(error).__name__}: {error}") from error
    text = BLANK_LINES.sub("\n", text).strip() + "\n"
    _require_what_was_asked(place, text, values)
    return text


def slots(count: int, taken: frozenset[int] = frozenset()) -> list[str]:
    """The first free PCI slots of bus 0 from enp0s20 on, as `0x14`; fewer than `count` when there are no more."""
    free = [number for number in range(FIRST_SLOT, LAST_SLOT + 1) if number not in taken]
    return [f"0x{number:02x}" for number in free[:count]]


@functools.lru_cache(maxsize=8)
def _environment(path: str) -> Environment:
    """Compiled once and again when a file changes."""
    return Environment(
        loader=FileSystemLoader(path),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=True,
    )


def _require_what_was_asked(place: str, text: str, values: Mapping[str, object]) -> None:
    try:
        made = domain_xml.read(text)
    except NotADomain as error:
        raise _unusable(place, f"gives XML that is {error}") from error
    left_out = [name for name, wanted, got in _asked(values, made) if wanted != got]
    if left_out:
        raise _unusable(place, f"does not use {', '.join(left_out)} as given; is it of an older release?")


def _asked(values: Mapping[str, object], made: Definition) -> list[tuple[str, object, object]]:
    cards = values["cards"]
    wanted = [(card.mac, card.bridge) for card in cards] if isinstance(cards, list) else []
    memory = values["memory"]
    return [
        ("name", values["name"], made.name),
        ("uuid", values["uuid"], made.uuid),
        ("cpu", values["cpu"], made.vcpus),
        ("memory", memory * 2**20 if isinstance(memory, int) else memory, made.memory),
        ("cards", wanted, [(nic.mac, nic.source) for nic in made.nics]),
    ]


def unusable(settings: Settings, template: str, reason: str) -> TemplateUnusable:
    return _unusable(os.path.join(folder(settings), template), reason)


def _unusable(place: str, reason: str) -> TemplateUnusable:
    return TemplateUnusable(f"the template {place} {reason}. Nothing was written", path=place)
