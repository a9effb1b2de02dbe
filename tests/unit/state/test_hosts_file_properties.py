"""Properties of /etc/hosts: nobody else's line is lost, moved or changed, and writing again changes nothing."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from ablestack_api.state import hosts_file
from ablestack_api.state.cluster_document import ClusterConfig
from tests.support import documents

quick = settings(deadline=None, max_examples=100)

CONFIGS = [
    ClusterConfig.model_validate(documents.document(cluster_type)["clusterConfig"] | {"pcsCluster": []})
    for cluster_type in documents.TYPES
]
OURS = sorted({name for config in CONFIGS for name in hosts_file.managed_names(config)} | hosts_file.SELF_NAMES)
OWN = ("ablecube31-1", "ablecube31-2", "scvm1", "elsewhere")

# Any character of one line: also carriage returns, and bytes that are not UTF-8 as they are read.
loose = st.text(
    st.characters(exclude_characters="\n", exclude_categories=["Cs"]) | st.sampled_from("\udce9\udcff\r\t #"), max_size=20
)
names = st.from_regex(r"x[a-z0-9-]{0,8}", fullmatch=True)
blanks = st.sampled_from([" ", "\t", "  ", " \t "])
address = st.sampled_from(["10.10.31.1", "10.10.31.12", "127.0.1.1", "::1", "192.0.2.7"])


@st.composite
def lines_of_names(draw: st.DrawFn, some: st.SearchStrategy[list[str]]) -> str:
    return draw(blanks).join([draw(address), *draw(some)])


foreign_line = (
    loose.map("#{}".format)
    | st.sampled_from(["", " ", "\t", "\r"])
    | address
    | names
    | lines_of_names(st.lists(names, min_size=1, max_size=3))
    | lines_of_names(st.tuples(st.sampled_from(OURS), names).map(list))
    | lines_of_names(st.lists(st.sampled_from(sorted(hosts_file.SELF_NAMES)), min_size=1, max_size=2))
)
our_line = lines_of_names(st.lists(st.sampled_from(sorted(hosts_file.managed_names(CONFIGS[0]))), min_size=1, max_size=2))


def render(text: str, config: ClusterConfig, own: str) -> str:
    ours = {name for each in CONFIGS for name in hosts_file.managed_names(each)}
    return hosts_file.render(text, hosts_file.entries(config, own), ours)


configs = st.sampled_from(CONFIGS)
owners = st.sampled_from(OWN)
files = st.lists(foreign_line | our_line | loose).map("\n".join)


@given(st.lists(foreign_line), st.lists(our_line), configs, owners, st.randoms(use_true_random=False))
@quick
def test_foreign_lines_survive_in_their_order(
    foreign: list[str], ours: list[str], config: ClusterConfig, own: str, random: Random
) -> None:
    mixed = list(foreign)
    for line in ours:
        mixed.insert(random.randint(0, len(mixed)), line)
    wanted = [entry.line for entry in hosts_file.entries(config, own)]
    assert render("\n".join([*mixed, ""]), config, own).split("\n") == [*foreign, *wanted, ""]


@given(files, configs, owners)
@quick
def test_twice_is_once(text: str, config: ClusterConfig, own: str) -> None:
    once = render(text, config, own)
    assert render(once, config, own) == once


@given(files, st.lists(st.tuples(configs, owners), min_size=1, max_size=5))
@quick
def test_no_lines_pile_up_however_often_it_changes(text: str, changes: list[tuple[ClusterConfig, str]]) -> None:
    straight = render(text, *changes[-1])
    for change in changes:
        text = render(text, *change)
    assert text == straight


@given(files, configs, owners)
@quick
def test_the_file_ends_with_one_newline(text: str, config: ClusterConfig, own: str) -> None:
    after = render(text, config, own)
    assert after.endswith("\n")
    assert not after.endswith("\n\n")


@given(files, configs, owners)
@quick
def test_every_name_of_the_cluster_is_there_once(text: str, config: ClusterConfig, own: str) -> None:
    entries = [line for line in render(text, config, own).split("\n") if line]
    for entry in hosts_file.entries(config, own):
        assert entries.count(entry.line) == 1
