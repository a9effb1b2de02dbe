"""The header `Prefer` (RFC 7240): does the caller want to be answered at once?"""

import re
from collections.abc import Iterable

RESPOND_ASYNC = "respond-async"
# A preference ends at a comma outside quotes; a quote that is never closed goes to the end. Nothing is looked at twice.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.?)*(?:"|$))+')


def respond_async(headers: Iterable[str]) -> bool:
    """What cannot be understood is no preference, as the RFC wants it; parameters and other preferences are ignored."""
    names = [name for header in headers for name in map(_name, _PREFERENCE.findall(header))]
    return RESPOND_ASYNC in names


def _name(preference: str) -> str:
    """The name of a preference without a value; an empty value is none."""
    name, _, value = preference.partition(";")[0].partition("=")
    return name.strip().lower() if value.strip() in ("", '""') else ""
