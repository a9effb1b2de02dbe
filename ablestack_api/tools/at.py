"""at(1): commands that run once."""

import re
from dataclasses import dataclass
from datetime import datetime

from ablestack_api.core.errors import BadInput, CommandFailed, Conflict
from ablestack_api.core.runner import Runner

SECONDS = 10.0
LINE = re.compile(r"^(\d+)\s+(\w{3} \w{3} +\d+ \d+:\d+(?::\d+)? \d{4}) (\S) (\S+)$")
FORMATS = ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M %Y")
# What at says of a time it does not understand, or that is over (at 3.2.5).
REFUSALS = ("garbled time", "refusing to create job destined in the past", "syntax error", "incomplete time")


@dataclass(frozen=True)
class Job:
    number: str
    when: datetime
    queue: str


def list_jobs(runner: Runner, queue: str) -> list[Job]:
    """Waiting jobs of one queue, the next one first."""
    return sorted(
        (job for job in parse(runner.run(["atq"], timeout=SECONDS).stdout) if job.queue == queue), key=lambda job: job.when
    )


def parse(text: str) -> list[Job]:
    found = (LINE.match(line.strip()) for line in text.splitlines())
    return [Job(match[1], _time(match[2]), match[3]) for match in found if match]


def show(runner: Runner, number: str) -> str:
    """The script of a job, with the environment it will get."""
    return runner.run(["at", "-c", number], timeout=SECONDS).stdout


def add(runner: Runner, queue: str, when: str, command: str) -> None:
    """`when` as a person says it (`02:00 tomorrow`). Raises BadInput when at does not understand it, Conflict when nobody
    would run the job: at itself is content with that.
    """
    try:
        said = runner.run(["at", "-q", queue, "--", when], timeout=SECONDS, stdin=f"{command}\n").stderr
    except CommandFailed as error:
        if any(text in error.detail.lower() for text in REFUSALS):
            raise BadInput(f"timeone is not a time: {error.detail}", fields=[("timeone", error.detail)]) from error
        raise
    if "No atd running" in said:
        remove(runner, [job for job in list_jobs(runner, queue) if f"job {job.number} at " in said])
        raise Conflict("the service atd does not run, so nothing was scheduled; systemctl enable --now atd")


def remove(runner: Runner, jobs: list[Job]) -> None:
    if jobs:
        runner.run(["atrm", *(job.number for job in jobs)], timeout=SECONDS)


def _time(text: str) -> datetime:
    for form in FORMATS:
        try:
            return datetime.strptime(text, form).astimezone()
        except ValueError:
            continue
    raise ValueError(text)
