"""cluster.json as typed values: every older shape is understood, every write gives the normal form (contract 01 §5.3).

The file is shared with other tools: key names, texts instead of booleans and numbers, the 4-space layout and keys we
do not know are kept.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_serializer

HCI_TYPES = ("ablestack-hci", "ablestack-hci-filesystem")
CLUSTER_TYPES = (*HCI_TYPES, "ablestack-vm", "ablestack-standalone")
SHOWN_PCS_KEYS = 3
PCS_KEY = re.compile("hostname[0-9]{1,4}")
# Where unknown keys of pcsCluster are between reading and writing.
PCS_OTHERS = "pcsCluster: other keys"

Json = dict[str, Any]


def _to_text(value: object) -> object:
    """Numbers and booleans in a text's place become text, null becomes empty; anything else is left to be refused."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _to_flag(value: object) -> object:
    text = _to_text(value)
    if isinstance(text, str) and text.strip().lower() in ("", "true", "false"):
        return text.strip().lower() or "false"
    return text


Text = Annotated[str, BeforeValidator(_to_text)]
Flag = Annotated[str, BeforeValidator(_to_flag)]


class _Part(BaseModel):
    """Known keys come first, in the order of the fields; unknown ones follow as they were."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)


class Host(_Part):
    """One entry of `hosts`. A field that is None is absent from the file (non-HCI types have three or four)."""

    index: Text = ""
    hostname: Text = ""
    ablecube: Text = ""
    ablecube_pn: Text | None = Field(default=None, alias="ablecubePn")
    scvm_mngt: Text | None = Field(default=None, alias="scvmMngt")
    scvm: Text | None = None
    scvm_cn: Text | None = Field(default=None, alias="scvmCn")

    @property
    def addresses(self) -> list[str]:
        """Every address the entry names, management first, empty ones left out."""
        every = (self.ablecube, self.scvm_mngt, self.ablecube_pn, self.scvm, self.scvm_cn)
        return [address for address in every if address]

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: Callable[[Any], Json]) -> Json:
        others = self.model_extra or {}
        return {key: value for key, value in handler(self).items() if value is not None or key in others}


class Ccvm(_Part):
    ip: Text = ""


class MngtNic(_Part):
    cidr: Text = ""
    gw: Text = ""
    dns: Text = ""


class ClusterConfig(_Part):
    """The `clusterConfig` object. `pcs_cluster` is the gap-free list behind `hostname1` … `hostnameN`."""

    type: Text = ""
    host_type: Text | None = Field(default=None, alias="hostType")
    backup_path: Text = ""
    ccvm: Ccvm = Field(default_factory=Ccvm)
    mngt_nic: MngtNic = Field(default_factory=MngtNic, alias="mngtNic")
    pcs_cluster: list[str] = Field(default_factory=list, alias="pcsCluster")
    pcs_others: Json = Field(default_factory=dict, alias=PCS_OTHERS, exclude=True)
    hosts: list[Host] = Field(default_factory=list)
    external_timeserver: Text = ""
    storage_network: Flag = "false"

    @property
    def is_hci(self) -> bool:
        return self.type.lower() in HCI_TYPES

    @property
    def addresses(self) -> set[str]:
        """Every address of the cluster's nodes and guests."""
        return {address for host in self.hosts for address in host.addresses} | ({self.ccvm.ip} if self.ccvm.ip else set())

    def host_named(self, hostname: str) -> Host | None:
        return next((host for host in self.hosts if host.hostname.lower() == hostname.lower()), None)

    @model_serializer(mode="wrap")
    def _file_shape(self, handler: Callable[[Any], Json]) -> Json:
        shape = handler(self)
        if not shape["hostType"]:
            del shape["hostType"]
        shape["pcsCluster"] = {**pcs_keys(self.pcs_cluster), **self.pcs_others}
        # 0.1.2 knows this value as iscsi_storage, later releases as storage_network: both find it (ADR 0004).
        known = {key: shape.pop(key) for key in list(ClusterConfig.model_fields_in_file()) if key in shape}
        return {**known, "iscsi_storage": self.storage_network, **shape}

    @classmethod
    def model_fields_in_file(cls) -> list[str]:
        return [field.alias or name for name, field in cls.model_fields.items()]


class Bootstrap(_Part):
    scvm: Flag = "false"
    ccvm: Flag = "false"
    wall: Flag = "false"
    gfs_configure: Flag = "false"
    local_configure: Flag = "false"


class License(_Part):
    status: Flag = "false"
    type: Text = ""


class SecurityPatch(_Part):
    status: Flag = "false"


class SystemProfile(_Part):
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    license: License = Field(default_factory=License)
    security_patch: SecurityPatch = Field(default_factory=SecurityPatch)


class Security(_Part):
    internal_token: Text = ""


class ClusterDocument(_Part):
    """The whole file."""

    cluster: ClusterConfig = Field(default_factory=ClusterConfig, alias="clusterConfig")
    security: Security = Field(default_factory=Security)
    profile: SystemProfile = Field(default_factory=SystemProfile, alias="systemProfile")

    @property
    def is_configured(self) -> bool:
        return bool(self.cluster.hosts)

    def to_bytes(self) -> bytes:
        """The normal form: root keys in alphabetical order, 4 spaces, no newline at the end."""
        return layout(dict(sorted(self.model_dump(by_alias=True).items()))).encode("utf-8", "replace")


class NotAClusterDocument(ValueError):
    """The text says where and why."""


def parse(content: bytes) -> ClusterDocument:
    """Read any shape of the file that a release ever wrote. Raises NotAClusterDocument."""
    try:
        raw = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in content:  # half a character can be escaped, but not written again
            json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise NotAClusterDocument(str(error) if content.strip() else "the file is empty") from error
    if not isinstance(raw, dict):
        raise NotAClusterDocument("the top level is not an object")
    try:
        return ClusterDocument.model_validate(_migrated(raw))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise NotAClusterDocument(f"{place}: {first['msg']}") from error


def layout(value: object) -> str:
    """JSON as the original's library wrote it: markup characters escaped, so that files compare equal."""
    text = json.dumps(value, ensure_ascii=False, indent=4)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def pcs_keys(names: list[str]) -> dict[str, str]:
    """`hostname1` … `hostnameN`, at least three, padded with empty texts."""
    padded = names + [""] * (SHOWN_PCS_KEYS - len(names))
    return {f"hostname{position}": name for position, name in enumerate(padded, 1)}


def distinct(names: list[str]) -> list[str]:
    """Trimmed, without empty ones and repetitions, order kept."""
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """A number that is too large would be written as Infinity, which is not JSON."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _migrated(raw: Json) -> Json:
    """A copy in which everything is where the present release has it."""
    root = {key: value for key, value in raw.items() if key not in ("bootstrap", "license", "security_patch")}
    _drop(root, "monitoring", "wall")
    root["systemProfile"] = _migrated_profile(raw)
    if "clusterConfig" in raw and raw["clusterConfig"] is not None:
        root["clusterConfig"] = _migrated_config(_object(raw["clusterConfig"], "clusterConfig"))
    root["security"] = _migrated_security(raw, root["systemProfile"])
    return {key: value for key, value in root.items() if value is not None or key not in ("clusterConfig",)}


def _migrated_profile(raw: Json) -> Json:
    profile = dict(_object(raw.get("systemProfile"), "systemProfile"))
    for key in ("bootstrap", "license", "security_patch"):
        profile[key] = {**_object(raw.get(key), key), **_object(profile.get(key), key)}
    bootstrap = profile["bootstrap"]
    for place in (raw, profile):
        wall = _object(place.get("monitoring"), "monitoring").get("wall")
        if wall is not None and "wall" not in bootstrap:
            bootstrap["wall"] = wall
    _drop(profile, "monitoring", "wall")
    bootstrap.pop("pfmp", None)
    return profile


def _migrated_security(raw: Json, profile: Json) -> Json:
    security = dict(_object(raw.get("security"), "security"))
    old = _object(profile.get("security"), "systemProfile.security").get("internal_token")
    _drop(profile, "security", "internal_token")
    if not security.get("internal_token") and old:
        security["internal_token"] = old
    return security


def _drop(place: Json, key: str, migrated: str) -> None:
    """Take out what was migrated, and its object unless it holds more."""
    rest = {name: value for name, value in _object(place.pop(key, None), key).items() if name != migrated}
    if rest:
        place[key] = rest


def _migrated_config(config: Json) -> Json:
    config = dict(config)
    _rename(config, "extenal_timeserver", "external_timeserver")
    _rename(config, "iscsi_storage", "storage_network")
    ccvm = dict(_object(config.get("ccvm"), "ccvm"))
    nic = dict(_object(config.get("mngtNic"), "mngtNic"))
    for key in ("cidr", "gw", "dns"):
        old = ccvm.pop(key, None)
        if not nic.get(key) and old:
            nic[key] = old
    config["ccvm"], config["mngtNic"] = ccvm, nic
    pcs = _object(config.get("pcsCluster"), "pcsCluster")
    config["pcsCluster"] = _pcs_names(pcs)
    config[PCS_OTHERS] = {key: value for key, value in pcs.items() if key != "hostnames" and not PCS_KEY.fullmatch(key)}
    hosts = config.get("hosts")
    config["hosts"] = [] if hosts is None else _without_blank_hosts(hosts)
    return config


def _without_blank_hosts(hosts: object) -> object:
    """The packaged skeleton has one host whose values are all empty: that is no host."""
    if not isinstance(hosts, list):
        return hosts
    return [host for host in hosts if not isinstance(host, dict) or any(value not in ("", None) for value in host.values())]


def _rename(config: Json, old: str, new: str) -> None:
    value = config.pop(old, None)
    if config.get(new) in (None, "") and value is not None:
        config[new] = value


def _pcs_names(pcs: Mapping[str, object]) -> list[str]:
    names = pcs.get("hostnames")
    values = list(names) if isinstance(names, list) else []
    numbered = [(int(key.removeprefix("hostname")), key) for key in pcs if PCS_KEY.fullmatch(key)]
    values += [pcs[key] for _, key in sorted(numbered)]
    texts = [_to_text(value) for value in values]
    if not all(isinstance(text, str) for text in texts):
        raise NotAClusterDocument("clusterConfig.pcsCluster: a name is not a text")
    return distinct([str(text) for text in texts])


def _object(value: object, place: str) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotAClusterDocument(f"{place} is not an object")
    return value
