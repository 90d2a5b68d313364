#!/usr/bin/env python3
"""Write the creation payloads and the search terms of the stress test, from a seed.

The rates are those of the contest's own files (see README.md). The same seed gives the same
bytes on every machine and Python: of the standard generator only random.random() is used, whose
sequence for an integer seed is guaranteed.
"""

import argparse
import json
import os
import random
import sys
from collections import Counter

# Part of the file names: raise it when the same seed gives other bytes than before.
FORMAT = 1

DEFAULT_SEED = 2023
DEFAULT_ROWS = 100_000
DEFAULT_TERMS = 10_000  # more than the 9,590 searches of a full run, so none repeats within it
MAX_LINES = 10_000_000

# What the contest's profile injects: 2/s for 10 s, 5/s for 15 s, a ramp from 6/s to 600/s in 180 s.
FULL_RUN_CREATIONS = 2 * 10 + 5 * 15 + (6 + 600) * 180 // 2

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS_AND_BLANK = LETTERS + " "
LANGUAGES = (
    "Assembly", "C", "C#", "C++", "Clojure", "COBOL", "Dart", "Elixir", "Erlang", "F#", "Go",
    "Haskell", "Java", "JavaScript", "Julia", "Kotlin", "Lua", "Perl", "PHP", "Python", "R",
    "Ruby", "Rust", "Scala", "Swift",
)
STACK_MAX_PICKS = 26
NO_STACK_ONE_IN = 14
INVALID_ONE_IN = 99  # for each of the four fields

NOT_A_DATE = ('"12-12-2000"', "null", "10", '"?!?!?"')  # JSON text inside a string
NOT_A_STACK = (["1" * 40], "string", 1)


class Source:
    """Draws from one stream of random numbers."""

    def __init__(self, seed):
        self._random = random.Random(seed).random

    def below(self, bound):
        return int(self._random() * bound)

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def one_in(self, n):
        return self.below(n) == 0

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def text(self, length, alphabet):
        return "".join([alphabet[self.below(len(alphabet))] for _ in range(length)])


def person(source):
    """Returns a person and the set of its defects."""
    defects = set()

    if source.one_in(INVALID_ONE_IN):
        defects.add("apelido of 35 letters")
        nick = source.text(35, LETTERS)
    else:
        nick = source.text(source.between(1, 32), LETTERS)

    if source.one_in(INVALID_ONE_IN):
        defects.add("nome of 120 letters")
        name = source.text(120, LETTERS_AND_BLANK)
    else:
        name = source.text(source.between(1, 100), LETTERS_AND_BLANK)

    if source.one_in(INVALID_ONE_IN):
        defects.add("nascimento that has no form of a date")
        birth = source.pick(NOT_A_DATE)
    else:
        # Month 13 and 29 February are the contest's own doing: a lenient date check stores them.
        year, month, day = source.between(1940, 2020), source.between(1, 13), source.between(1, 29)
        birth = f"{year:04}-{month:02}-{day:02}"
        if not on_the_calendar(year, month, day):
            defects.add("nascimento that is on no calendar")

    if source.one_in(INVALID_ONE_IN):
        defects.add("stack of a wrong type or length")
        stack = source.pick(NOT_A_STACK)
    elif source.one_in(NO_STACK_ONE_IN):
        stack = None
    else:
        stack = [source.pick(LANGUAGES) for _ in range(source.between(1, STACK_MAX_PICKS))]

    return {"apelido": nick, "nome": name, "nascimento": birth, "stack": stack}, defects


def on_the_calendar(year, month, day):
    """For the months 1 to 13 and the days 1 to 29 that person() draws."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return month <= 12 and not (month == 2 and day == 29 and not leap)


def people(seed, rows):
    source = Source(seed)
    for _ in range(rows):
        yield person(source)


def terms(seed, count):
    # A stream of its own, so that the number of rows does not change the terms.
    source = Source(seed + 2**32)
    for _ in range(count):
        yield source.text(source.between(1, 50), LETTERS_AND_BLANK)


def payload_line(someone):
    return json.dumps(someone, separators=(",", ":"), ensure_ascii=True)


def describe(seed, rows, first=None):
    """Counts over the first `first` rows, by what the generator itself put into them."""
    counts = Counter()
    by_defect = Counter()
    seen = set()
    for someone, defects in people(seed, min(rows, first or rows)):
        counts["rows"] += 1
        by_defect.update(defects)
        if someone["stack"] is None:
            counts["stack null"] += 1
        if defects:
            counts["invalid"] += 1
        elif someone["apelido"] in seen:
            counts["valid, but the apelido is taken by an earlier valid row"] += 1
        else:
            seen.add(someone["apelido"])
    counts["stored when all are sent"] = len(seen)
    return counts, by_defect


def print_description(seed, rows):
    for title, first in ((f"all {rows} rows", rows), ("a full run", FULL_RUN_CREATIONS)):
        if first > rows:
            continue
        counts, by_defect = describe(seed, rows, first)
        total = counts.pop("rows")
        print(f"seed {seed}, {title}: {total} creations")
        for name, count in [*counts.items(), *(("  " + n, c) for n, c in sorted(by_defect.items()))]:
            print(f"  {count:>8}  {100 * count / total:6.2f} %  {name}")


def write_lines(path, header, lines):
    """Writes beside the target and renames, so that a file with this name is always whole."""
    partial = f"{path}.partial.{os.getpid()}"
    try:
        with open(partial, "w", encoding="ascii", newline="\n") as file:
            file.write(header + "\n")
            for line in lines:
                file.write(line + "\n")
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def bounded(low, high):
    def parse(text):
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return parse


def main(argv=None):
    here = os.path.dirname(os.path.realpath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=bounded(0, 2**32 - 1), default=DEFAULT_SEED, help="default %(default)s")
    parser.add_argument("--rows", type=bounded(1, MAX_LINES), default=DEFAULT_ROWS, help="default %(default)s")
    parser.add_argument("--terms", type=bounded(1, MAX_LINES), default=DEFAULT_TERMS, help="default %(default)s")
    parser.add_argument("--out", default=os.path.join(here, "user-files", "resources"), metavar="DIR")
    parser.add_argument("--if-missing", action="store_true", help="keep files that are there already")
    parser.add_argument("--describe", action="store_true", help="print counts and write nothing")
    args = parser.parse_args(argv)

    if args.describe:
        print_description(args.seed, args.rows)
        return 0

    os.makedirs(args.out, exist_ok=True)
    payload_path = os.path.join(args.out, f"payloads-v{FORMAT}-seed{args.seed}-{args.rows}.tsv")
    terms_path = os.path.join(args.out, f"terms-v{FORMAT}-seed{args.seed}-{args.terms}.tsv")
    if not (args.if_missing and os.path.exists(payload_path)):
        write_lines(payload_path, "payload", (payload_line(p) for p, _ in people(args.seed, args.rows)))
    if not (args.if_missing and os.path.exists(terms_path)):
        write_lines(terms_path, "t", terms(args.seed, args.terms))
    print(payload_path)
    print(terms_path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
