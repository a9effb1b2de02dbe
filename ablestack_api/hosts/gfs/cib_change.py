"""A change of the cluster's configuration in many words, made as one: the cluster sees all of it or nothing."""

import os
import tempfile
from collections.abc import Callable
from typing import TypeVar

from ablestack_api.core.errors import CommandFailed
from ablestack_api.hosts.gfs import resources
from ablestack_api.hosts.gfs.call import Call
from ablestack_api.state import json_file
from ablestack_api.tools import cib, pcs
from ablestack_api.tools.cib import Cib
from ablestack_api.tools.pcs import Pcs

T = TypeVar("T")


def change(call: Call, edit: Callable[[Pcs, Cib], T]) -> T:
    """`edit` works on a copy in a file, with what is in it now. Returns what it returns.

    Pacemaker looks the copy over before the difference is pushed. When anything fails nothing was changed.
    """
    runner = call.env.runner
    tool = pcs.connect(runner)
    with tempfile.TemporaryDirectory(prefix="cib-", dir=_private_folder(call)) as folder:
        original, changed = os.path.join(folder, "original.xml"), os.path.join(folder, "changed.xml")
        text = resources.read_cib(call)
        for path in (original, changed):
            json_file.write_bytes(path, text.encode("utf-8", "surrogateescape"), mode=0o600)
        result = edit(tool.on_file(changed), cib.parse(text))
        if json_file.read_bytes(changed) != json_file.read_bytes(original):
            _verify(call, original, changed)
            pcs.push_cib(tool, original, changed)
    return result


def _verify(call: Call, original: str, changed: str) -> None:
    """What Pacemaker did not like before is not ours to repair."""
    try:
        cib.verify(call.env.runner, changed)
    except CommandFailed as error:
        try:
            cib.verify(call.env.runner, original)
        except CommandFailed:
            call.progress.log(f"crm_verify complained of the configuration before the change already: {error.detail}")
            return
        raise


def _private_folder(call: Call) -> str:
    folder = call.env.settings.state_root
    with json_file.told(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder
