"""Management daemon of an ABLESTACK Cube node.

Nothing is imported here: `ablestack-auth-token` must start as fast as a bare interpreter.
"""
