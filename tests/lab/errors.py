"""What can go wrong in the lab, told in one line a person can act on."""

from collections.abc import Sequence

TAIL_LINES = 15


class LabError(Exception):
    """The lab could not do what was asked; the text says what and, where known, why."""


class CannotRunError(LabError):
    """This machine cannot host the lab at all (exit status 3 of the command line)."""


class CommandFailedError(LabError):
    """A program ended with a status that was not expected, or did not end in time."""

    def __init__(self, argv: Sequence[str], code: int | None, stdout: str, stderr: str) -> None:
        """Keep the facts; `code` is None when the deadline ended the program."""
        self.argv = tuple(argv)
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        how = "ran out of time" if code is None else f"ended with {code}"
        tail = "\n".join("\n".join(stream.strip().splitlines()[-TAIL_LINES:]) for stream in (stdout, stderr))
        super().__init__(f"{' '.join(self.argv)[:300]}: {how}\n{tail}".rstrip())
