"""Versions of what runs on this node (contract 06 §2.1)."""

import os
import shlex
from importlib import metadata

from ablestack_api.core.errors import ApiError
from ablestack_api.env import Env
from ablestack_api.ops.models import VersionAnswer
from ablestack_api.state import cluster_file, json_file

COMMAND_SECONDS = 5.0
UNKNOWN = "N/A"
MOLD_FILE = "usr/share/cloudstack-common/scripts/installer/cloudstack-help-text"


def read(env: Env) -> VersionAnswer:
    packages = sorted(line for line in _output(env, ["aspkg", "-qa"]).splitlines() if "ablestack" in line.lower())
    return VersionAnswer(
        api_version=own_version(),
        os_version=_key_values(env, "etc/os-release").get("PRETTY_NAME", UNKNOWN),
        kernel_version=os.uname().release,
        cockpit_version=_cockpit(_output(env, ["cockpit-bridge", "--version"])),
        mold_version=current_mold(env),
        glue_version=_glue(env),
        ablestack_package_versions=packages or None,
    )


def current_os(env: Env) -> str:
    """As update media call it, else the name of the system."""
    told = _key_values(env, "etc/os-release")
    return told.get("ABLESTACK_VERSION") or told.get("PRETTY_NAME", UNKNOWN)


def current_mold(env: Env) -> str:
    return _key_values(env, MOLD_FILE).get("ACS_VERSION", UNKNOWN)


def own_version() -> str:
    return metadata.version("ablestack-api")


def _glue(env: Env) -> str | None:
    try:
        if not cluster_file.read_or_empty(env.settings).document.cluster.is_hci:
            return None
    except ApiError:
        return None
    return " ".join(_output(env, ["glue", "version"]).split()) or UNKNOWN


def _cockpit(text: str) -> str:
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator and key.strip().lower() == "version" and value.split():
            return value.split()[0]
    return next((line.strip() for line in text.splitlines() if line.strip()), UNKNOWN)


def _output(env: Env, argv: list[str]) -> str:
    """A program that is not here, or fails, has no version to tell."""
    try:
        return env.runner.run(argv, timeout=COMMAND_SECONDS).stdout
    except ApiError:
        return ""


def _key_values(env: Env, place: str) -> dict[str, str]:
    return key_values((json_file.read_bytes(env.settings.below(place)) or b"").decode("utf-8", "replace"))


def key_values(text: str) -> dict[str, str]:
    """KEY=VALUE lines with shell quoting (os-release(5))."""
    values = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            values[key.strip()] = _unquoted(value)
    return values


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip()
