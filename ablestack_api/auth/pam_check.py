"""A program of its own: is this password right? Run by `auth.login` with a deadline, because PAM modules may hang.

Input: one JSON object on stdin, `username`, `password`, `services` (the first one with a file in /etc/pam.d is used).
Output: one JSON object, `good` (bool) and `reason` (PAM's text, never the password). PAM's account phase is part of the
check, so lock-out, expiry and second factors count.
"""

import json
import os
import sys


def main() -> int:
    asked = json.load(sys.stdin)
    import pam  # after the input was read: a missing libpam is told as this program's failure

    services = [name for name in asked["services"] if os.path.exists(f"/etc/pam.d/{name}")]
    if not services:
        print(f"no PAM service of {', '.join(asked['services'])} in /etc/pam.d", file=sys.stderr)  # noqa: T201
        return 3
    checker = pam.PamAuthenticator()
    good = checker.authenticate(asked["username"], asked["password"], service=services[0])
    print()  # noqa: T201  a module may have left an unfinished line
    json.dump({"good": bool(good), "reason": str(checker.reason)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
