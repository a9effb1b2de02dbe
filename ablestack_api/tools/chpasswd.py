"""chpasswd(8)."""

from ablestack_api.core.runner import Runner
from ablestack_api.core.secret import Secret

SECONDS = 30.0


def set_password(runner: Runner, user: str, password: Secret) -> None:
    """Both through stdin; neither may hold a line break, nor the user's name a colon."""
    runner.run(["chpasswd"], timeout=SECONDS, stdin=Secret(f"{user}:{password.reveal()}\n"))
