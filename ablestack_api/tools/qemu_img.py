"""qemu-img(1)."""

from ablestack_api.core.runner import Runner

SECONDS = 1800.0


def convert_to_rbd(runner: Runner, source: str, image: str) -> None:
    """A qcow2 file as a new RBD image (`pool/name`)."""
    runner.run(["qemu-img", "convert", "-f", "qcow2", "-O", "rbd", "--", source, f"rbd:{image}"], timeout=SECONDS)


def resize(runner: Runner, path: str, size: str) -> None:
    """`size` as qemu-img has it: `+350G`, `500G`."""
    runner.run(["qemu-img", "resize", "-f", "qcow2", "--", path, size], timeout=SECONDS)
