"""The list of known differences, with the reason of each, and the page that is made of it."""

import pathlib
import re
import sys
import tomllib
from dataclasses import dataclass

LIST = pathlib.Path(__file__).parent / "differences.toml"
PAGE = pathlib.Path("docs/user/differences.md")

HEAD = """# Differences from Magnum

Jeroboam answers as Magnum 23.0.0 does, except where this page says so. `cargo xtask diff-magnum` sends the same
requests to both on the same OpenStack and fails on any difference that is not listed here. The page is made of
`xtask/lab/diff_magnum/differences.toml`.

"""
KINDS = {
    "fix": "What Magnum gets wrong",
    "more": "What Jeroboam has in addition",
    "choice": "What is different on purpose",
    "gap": "What Jeroboam does not have yet",
}


@dataclass
class Known:
    number: int
    kind: str
    # Regular expressions: of whole names of cases, and of whole lines of differences. None where no request shows it.
    cases: re.Pattern | None
    difference: re.Pattern | None
    # For people.
    what: str
    reason: str


def load():
    entries = tomllib.loads(LIST.read_text())["difference"]
    rules = []
    for number, entry in enumerate(entries):
        if entry["kind"] not in KINDS:
            raise SystemExit(f"{LIST}: unknown kind {entry['kind']}")
        patterns = [re.compile(entry[name]) if name in entry else None for name in ("cases", "difference")]
        if None in patterns and any(patterns):
            raise SystemExit(f"{LIST}: {entry['what']} needs both cases and difference, or neither")
        rules.append(Known(number, entry["kind"], *patterns, entry["what"], entry["reason"]))
    return rules


def find(rules, case, line):
    """The first entry that covers a difference."""
    shown = (rule for rule in rules if rule.cases)
    return next((rule for rule in shown if rule.cases.fullmatch(case) and rule.difference.fullmatch(line)), None)


def text(rules):
    page = HEAD
    for kind, title in KINDS.items():
        own = [rule for rule in rules if rule.kind == kind]
        if own:
            page += f"## {title}\n\n| Magnum / Jeroboam | why |\n|---|---|\n"
            page += "".join(f"| {rule.what} | {rule.reason} |\n" for rule in own) + "\n"
    return page.rstrip("\n") + "\n"


def render(rules):
    PAGE.write_text(text(rules))


def is_rendered(rules):
    return PAGE.exists() and PAGE.read_text() == text(rules)


if __name__ == "__main__":
    # `--check` only says whether the page is what the list makes of it.
    if sys.argv[1:] == ["--check"]:
        sys.exit(not is_rendered(load()))
    render(load())
