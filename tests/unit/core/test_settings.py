"""core.settings: what the environment decides (D1, D2, D9)."""

from typing import Any

import pytest

from ablestack_api.core.settings import Settings, SettingsError


def test_a_node_without_any_variable() -> None:
    settings = Settings({})
    assert settings.cluster_json == "/etc/ablestack/properties/cluster.json"
    assert settings.auth_json == "/etc/ablestack/auth.json"
    assert settings.neighbor_json == "/etc/ablestack/config.json"
    assert settings.vm_config_root == "/etc/ablestack/vmconfig"
    assert settings.security_patch_script == "/etc/ablestack/shell/security_patch.sh"
    assert (settings.listen_host, settings.listen_port) == ("0.0.0.0", 8090)
    assert (settings.peer_scheme, settings.peer_port, settings.libvirt_uri) == ("http", 8090, "qemu:///system")
    assert settings.auth_required
    assert settings.is_whole_system


def test_a_node_in_a_folder() -> None:
    settings = Settings({"ABLESTACK_SYSROOT": "/srv/node/"})
    assert not settings.is_whole_system
    assert settings.below("/etc/hosts") == settings.below("etc/hosts") == "/srv/node/etc/hosts"
    assert settings.cluster_json == "/srv/node/etc/ablestack/properties/cluster.json"
    assert settings.state_root == "/srv/node/var/lib/ablestack"


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("ABLESTACK_STATE_PATH", "vm_config_root"),
        ("ABLESTACK_CLUSTER_JSON", "cluster_json"),
        ("ABLESTACK_AUTH_CONFIG", "auth_json"),
        ("CUBE_CONFIG_PATH", "neighbor_json"),
        ("ABLESTACK_SECURITY_PATCH_SCRIPT", "security_patch_script"),
    ],
)
def test_paths_can_be_set_one_by_one(name: str, attribute: str) -> None:
    settings = Settings({"ABLESTACK_CONFIG_PATH": "/cfg", name: " /else/where "})
    assert getattr(settings, attribute) == "/else/where"
    assert getattr(Settings({"ABLESTACK_CONFIG_PATH": "/cfg", name: "  "}), attribute).startswith("/cfg/")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:8090", "::1", 8090), ("[::]:65535", "::", 65535), (":8090", "", 8090)],
)
def test_listen_addresses(text: str, host: str, port: int) -> None:
    settings = Settings({"ABLESTACK_API_LISTEN": text})
    assert (settings.listen_host, settings.listen_port) == (host, port)


@pytest.mark.parametrize(
    "environ",
    [
        {"ABLESTACK_API_LISTEN": "8090"},
        {"ABLESTACK_API_LISTEN": "127.0.0.1"},
        {"ABLESTACK_API_LISTEN": "127.0.0.1:0"},
        {"ABLESTACK_API_LISTEN": "127.0.0.1:65536"},
        {"ABLESTACK_API_LISTEN": "127.0.0.1:http"},
        {"ABLESTACK_API_LISTEN": "127.0.0.1:" + "9" * 5000},
        {"ABLESTACK_API_PORT": "0"},
        {"ABLESTACK_API_PORT": "-1"},
        {"ABLESTACK_API_PORT": "8090.0"},
        {"ABLESTACK_API_PORT": "\u0661"},
        {"ABLESTACK_API_PORT": "9" * 5000},
        {"ABLESTACK_API_SCHEME": "ftp"},
        {"ABLESTACK_API_WORKERS": "0"},
        {"ABLESTACK_API_THREADS": "many"},
        {"ABLESTACK_ACCESS_TOKEN_TTL_SECONDS": "-5"},
    ],
    ids=lambda environ: ascii(environ)[:60],
)
def test_what_cannot_be_used_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environ))):
        Settings(environ)


@pytest.mark.parametrize("switch", ["off", "0", "false", "No", " OFF "])
@pytest.mark.parametrize(
    ("listen", "required"),
    [
        ("127.0.0.1:8090", False),
        ("127.77.0.3:8090", False),
        ("[::1]:8090", False),
        ("localhost:8090", False),
        ("0.0.0.0:8090", True),
        ("[::]:8090", True),
        ("10.10.31.1:8090", True),
        (":8090", True),
        ("[::1234]:8090", True),
        ("localhost.example:8090", True),
        ("127.example:8090", True),
    ],
)
def test_protection_can_be_switched_off_on_loopback_only(listen: str, required: bool, switch: str) -> None:
    settings = Settings({"ABLESTACK_API_LISTEN": listen, "ABLESTACK_AUTH_REQUIRED": switch})
    assert settings.auth_required is required


@pytest.mark.parametrize("switch", ["", "on", "1", "true", "maybe", "disabled"])
def test_any_other_word_leaves_it_on(switch: str) -> None:
    assert Settings({"ABLESTACK_API_LISTEN": "127.0.0.1:1", "ABLESTACK_AUTH_REQUIRED": switch}).auth_required


@pytest.mark.parametrize(
    ("environ", "attribute", "value"),
    [
        ({"CUBE_INTERNAL_TOKEN": "a", "ABLESTACK_INTERNAL_TOKEN": "b"}, "internal_token_override", "a"),
        ({"ABLESTACK_INTERNAL_TOKEN": "b"}, "internal_token_override", "b"),
        ({"ABLESTACK_API_CORS_ORIGINS": "https://a, https://b https://a"}, "cors_origins", {"https://a", "https://b"}),
        ({}, "cors_origins", set()),
        ({"ABLESTACK_API_SCHEME": "HTTPS"}, "peer_scheme", "https"),
    ],
)
def test_other_values(environ: dict[str, str], attribute: str, value: Any) -> None:
    assert getattr(Settings(environ), attribute) == value
