"""Properties of cluster.json: whatever a file holds, reading and writing it loses nothing and settles at once."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ablestack_api.state.cluster_document import NotAClusterDocument, parse

quick = settings(deadline=None, max_examples=60)

texts = st.text(max_size=12)
numbers = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
# Keys that no release ever used: a known one would be understood, not carried along.
unknown = st.dictionaries(texts.map(lambda text: f"x-{text}"), values, max_size=3)
loose = st.none() | st.booleans() | st.integers(0, 10**6) | texts


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Any mixture of new, old and unknown keys, with what people and scripts put in a text's place."""

    def some(**choices: st.SearchStrategy[Any]) -> dict[str, Any]:
        return draw(st.fixed_dictionaries({}, optional=choices)) | draw(unknown)

    host = ("index", "hostname", "ablecube", "ablecubePn", "scvmMngt", "scvm", "scvmCn")
    flags = dict.fromkeys(("scvm", "ccvm", "wall", "gfs_configure", "local_configure", "pfmp"), loose)
    config = some(
        type=loose, hostType=loose, backup_path=loose, external_timeserver=loose, extenal_timeserver=loose,
        storage_network=loose, iscsi_storage=loose,
    )  # fmt: skip
    config["ccvm"] = some(ip=loose, cidr=loose, gw=loose, dns=loose)
    config["mngtNic"] = some(cidr=loose, gw=loose, dns=loose)
    config["pcsCluster"] = some(hostname1=loose, hostname2=loose, hostname12=loose, hostnames=st.lists(loose, max_size=3))
    config["hosts"] = [some(**dict.fromkeys(host, loose)) for _ in range(draw(st.integers(0, 3)))]
    root = {
        "clusterConfig": config,
        "systemProfile": {"bootstrap": some(**flags), "license": some(status=loose, type=loose)},
    }
    root["security"] = some(internal_token=loose)
    # The old place of the same object: an unknown key that both have is the newer one's.
    root["bootstrap"] = {f"{key} old" if key.startswith("x-") else key: value for key, value in some(**flags).items()}
    root["monitoring"] = some(wall=loose)
    return root | draw(unknown)


def written(raw: object) -> Any:
    return json.loads(parse(json.dumps(raw).encode()).to_bytes())


@given(files())
@quick
def test_writing_settles_at_once(raw: dict[str, Any]) -> None:
    once = parse(json.dumps(raw).encode()).to_bytes()
    assert parse(once).to_bytes() == once


@given(files())
@quick
def test_unknown_keys_survive_wherever_they_are(raw: dict[str, Any]) -> None:
    after = written(raw)
    assert unknown_keys(after) == unknown_keys(raw)


@given(
    st.fixed_dictionaries(
        {
            "type": texts,
            "backup_path": texts,
            "ccvm": st.fixed_dictionaries({"ip": texts}),
            "mngtNic": st.fixed_dictionaries({"cidr": texts, "gw": texts, "dns": texts}),
            "external_timeserver": texts,
            "hosts": st.lists(
                st.fixed_dictionaries({"index": texts, "hostname": texts.map("h{}".format), "ablecube": texts})
            ),
        }
    ),
    st.lists(texts.map(lambda text: f"n{text}".strip()), max_size=16, unique=True),
)
@quick
def test_known_values_survive(config: dict[str, Any], names: list[str]) -> None:
    config["pcsCluster"] = {f"hostname{position}": name for position, name in enumerate(names, 1)}
    after = written({"clusterConfig": config})["clusterConfig"]
    assert {key: after[key] for key in config if key != "pcsCluster"} == {
        k: v for k, v in config.items() if k != "pcsCluster"
    }
    assert [name for name in after["pcsCluster"].values() if name] == names


@given(files())
@quick
def test_every_leaf_that_we_know_is_a_text(raw: dict[str, Any]) -> None:
    after = written(raw)
    known = {**after["clusterConfig"], "ip": after["clusterConfig"]["ccvm"]["ip"], **after["systemProfile"]["bootstrap"]}
    leaves = [value for key, value in known.items() if not key.startswith("x-") and not isinstance(value, dict | list)]
    assert all(isinstance(value, str) for value in leaves)


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
@quick
def test_nothing_else_escapes(content: bytes) -> None:
    with contextlib.suppress(NotAClusterDocument):
        parse(content)


def unknown_keys(value: Any, place: str = "") -> dict[str, Any]:
    """Every unknown key with its place; hosts are told apart by their position among those that are no blanks."""
    if isinstance(value, list):
        value = {str(position): item for position, item in enumerate(item for item in value if not is_blank(item))}
    found: dict[str, Any] = {}
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key.startswith("x-"):
            # The flags of old files lie at the root.
            found[f"{place.removeprefix('/systemProfile')}/{key}"] = inner
        else:
            found |= unknown_keys(inner, f"{place}/{key}")
    return found


def is_blank(host: Any) -> bool:
    return isinstance(host, dict) and all(value in ("", None) for value in host.values())
