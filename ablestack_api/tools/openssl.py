"""openssl-passwd(1)."""

from ablestack_api.core.runner import Runner
from ablestack_api.core.secret import Secret

SECONDS = 10.0


def hash_password(runner: Runner, password: Secret) -> str:
    """crypt(5)'s SHA-512 with a salt of its own. The password goes over stdin, never into the arguments."""
    line = Secret(password.reveal() + "\n")
    return runner.run(["openssl", "passwd", "-6", "-stdin"], stdin=line, timeout=SECONDS).stdout.strip()
