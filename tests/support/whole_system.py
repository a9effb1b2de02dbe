"""A node in a folder that takes the folder for the whole system: it restarts services and loads modules (by doubles)."""

import copy
from dataclasses import replace

from ablestack_api.core.settings import Settings
from tests.support.node_under_test import NodeUnderTest


class WholeSystem(Settings):
    @property
    def is_whole_system(self) -> bool:
        return True


def believe(node: NodeUnderTest) -> NodeUnderTest:
    """Before the first call of the node."""
    settings = copy.copy(node.settings)
    settings.__class__ = WholeSystem
    node.settings = settings
    node.env = replace(node.env, settings=settings)
    return node
