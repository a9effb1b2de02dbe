"""Shapes of the cloud-init endpoints (contract 03 §15, §16)."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StringConstraints

# Three documents and their padding, compressed and in base64; the whole body may have 512 KiB.
LONGEST_IMAGE = 500 * 1024
LONGEST_KEY = 32 * 1024


def _number(value: object) -> object:
    """0.1.x took prefixes as numbers and as texts."""
    if value is None or value == "":
        return 0
    return int(value) if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() else value


# A JSON null is the empty value of its kind, as it was for 0.1.2.
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value), Field(max_length=1024)]
Verbatim = StringConstraints(strip_whitespace=False, max_length=LONGEST_KEY)
Long = Annotated[str, BeforeValidator(lambda value: "" if value is None else value), Verbatim]
Prefix = Annotated[StrictInt, BeforeValidator(_number)]


class _Request(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)


class _Guest(_Request):
    password: Text = Field(default="", description="of root and ablecloud; made and answered once when empty")
    ssh_pwauth: StrictBool = Field(default=False, description="also log in over SSH with the password")


class CcvmRequest(_Guest):
    """`mode`, `change` and `image` come from another node only."""

    sn_nic: Text = Field(default="", description="service network: interface in the guest, as enp0s21")
    sn_ip: Text = ""
    sn_prefix: Prefix = 0
    sn_gw: Text = ""
    sn_dns: Text = Field(default="", description="one address or several, comma separated")
    mode: Text = Field(default="", description="between nodes only: install, restore or finish")
    change: Text = ""
    image: Annotated[str, Field(max_length=LONGEST_IMAGE)] = ""


class ScvmRequest(_Guest):
    pn_prefix: Prefix = Field(default=0, description="prefix of the storage network; default: the management network's")
    cn_prefix: Prefix = Field(default=0, description="prefix of the replication network; default: the management network's")


class FreeRequest(_Guest):
    """Release 0.1's own form: everything is said in the request."""

    type: Text = Field(default="", description="ccvm or scvm")
    iso_path: Text = Field(default="", description="a name ending in .iso in /var/lib/libvirt/images")
    hostname: Text = ""
    pubkey: Long = Field(default="", description="the key itself, or a path in /root/.ssh or in the state folder")
    privkey: Long = Field(default="", description="as pubkey")
    hosts: Long = Field(default="", description="text of the guest's /etc/hosts, or a path as for keys; default: /etc/hosts")
    mgmt_nic: Text = ""
    mgmt_ip: Text = ""
    mgmt_prefix: Prefix = 0
    mgmt_gw: Text = ""
    dns: Text = ""
    sn_nic: Text = ""
    sn_ip: Text = ""
    sn_prefix: Prefix = 0
    sn_gw: Text = ""
    sn_dns: Text = ""
    pn_nic: Text = ""
    pn_ip: Text = ""
    pn_prefix: Prefix = 0
    cn_nic: Text = ""
    cn_ip: Text = ""
    cn_prefix: Prefix = 0
    master: Any = Field(default=None, description="accepted and without effect, as in 0.1")


class Image(BaseModel):
    ctime: str
    mtime: str
    atime: str
    size: int = Field(description="bytes")
    filepath: str
    tmpdir: str = Field(default="", description="always empty: nothing is left behind")


class GenerateAnswer(BaseModel):
    code: int = 200
    val: Image
    message: str
    action: str = "generate"
    password: str | None = Field(default=None, description="of root and ablecloud when it was made here; told this once")
    warnings: list[str] | None = Field(default=None, description="what was left out")
    results: list[dict[str, Any]] | None = Field(default=None, description="one entry a host")


class StatusRequest(_Request):
    action: Text = Field(default="", description="status or ping")
    target: Text = Field(default="", description="ccvm, scvm, local, or an address of the cluster")
    target_hostname: Text = Field(default="", description="with scvm: comma list of hosts")


class StatusAnswer(BaseModel):
    code: int = 200
    val: list[dict[str, Any]] = Field(description="the same as results")
    retname: str = "CloudInit Status"
    message: str
    action: str
    results: list[dict[str, Any]]
