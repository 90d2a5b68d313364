#!/usr/bin/env python3
"""How many people must be stored after a run, computed from the run itself.

usage: oracle.py [--json] RUN_DIR|simulation.log PAYLOAD_FILE

The payload file is consumed in order, so N creations sent are its first N lines. Of these the
contest stores one row for each distinct apelido among the payloads that its rules call valid. The
rules are written down here a second time, independent of the server, in terms of Python's own
json and datetime.

A creation whose answer never came, or was not one of 201, 400 and 422, may have been stored or
not, and the log does not say which line it was. Each such creation widens the result by one row
below: the oracle is then a range, from `low` to `high`, and not a number. Of a run that was
interrupted the log lacks the end, and there is no oracle.
"""

import argparse
import codecs
import datetime
import json
import os
import re
import sys
from collections import Counter

CREATION_SCENARIO = "create then look up"
CREATION_REQUEST = "creation"

APELIDO_MAX_CHARACTERS = 32
NOME_MAX_CHARACTERS = 100
STACK_ELEMENT_MAX_CHARACTERS = 32

# [0-9] and not \d, which would also match the digits of other scripts.
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Refused(Exception):
    """A file is missing, is not what it should be, or ends too early."""


def read_log(run):
    """Users started and ended by scenario, and the creations that were answered, from a run's folder or log.

    Of simulation.log as Gatling 3.9.5 writes it these records matter, with tabs between the fields:
    RUN class id start_ms …, USER scenario START|END at_ms, REQUEST groups name start_ms end_ms OK|KO message.
    """
    path = os.path.join(run, "simulation.log") if os.path.isdir(run) else run
    started, ended, answered, begun = Counter(), Counter(), 0, False
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("\t")
            # The last line of a run that was killed may be cut off anywhere.
            if not line.endswith("\n"):
                break
            try:
                if fields[0] == "RUN":
                    begun = int(fields[3]) > 0
                elif fields[0] == "USER":
                    (started if fields[2] == "START" else ended)[fields[1]] += 1
                elif fields[0] == "REQUEST":
                    answered += fields[2] == CREATION_REQUEST and fields[5] == "OK"
            except (IndexError, ValueError) as error:
                raise Refused(f"{path}:{number}: not a line of Gatling 3.9.5: {line!r}") from error
    if not begun:
        raise Refused(f"{path}: has no RUN line, so it is no simulation.log of Gatling 3.9.5")
    if not started or started != ended:
        raise Refused(
            "users have begun and not ended in this log: the run was cut short, and what it sent last is not in it"
        )
    return started[CREATION_SCENARIO], answered


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _is_storable_text(value, max_characters):
    """A string of Unicode characters that Postgres can hold: no NUL and no half of a pair."""
    if not isinstance(value, str) or len(value) > max_characters or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _is_calendar_date(value):
    if not isinstance(value, str) or not DATE.fullmatch(value):
        return False
    try:
        # The years of datetime begin at 1, so 0000 is refused here too.
        datetime.date(int(value[:4]), int(value[5:7]), int(value[8:]))
    except ValueError:
        return False
    return True


def _is_stack(value):
    if value is None:
        return True
    if not isinstance(value, list):
        return False
    return all(_is_storable_text(element, STACK_ELEMENT_MAX_CHARACTERS) for element in value)


def stored_apelido(payload):
    """The apelido that a creation with this body (bytes) would store, or None if it is invalid."""
    try:
        person = json.loads(payload.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(person, dict):
        return None
    apelido = person.get("apelido")
    valid = (
        _is_storable_text(apelido, APELIDO_MAX_CHARACTERS)
        and _is_storable_text(person.get("nome"), NOME_MAX_CHARACTERS)
        and _is_calendar_date(person.get("nascimento"))
        and _is_stack(person.get("stack"))
    )
    return apelido if valid else None


def read_payloads(path):
    """The lines below the header, as Lines.scala feeds them."""
    with open(path, "rb") as file:
        text = file.read().removeprefix(codecs.BOM_UTF8).removesuffix(b"\n")
    header, *payloads = (line.removesuffix(b"\r") for line in text.split(b"\n"))
    if header != b"payload" or not payloads:
        raise Refused(f"{path}: the first line must be the header 'payload', and a line must follow")
    return payloads


def distinct_apelidos(payloads):
    apelidos = {stored_apelido(payload) for payload in payloads}
    apelidos.discard(None)
    return len(apelidos)


def judge(run, payloads):
    """Returns the bounds of the number of rows, and what they follow from."""
    sent, answered = read_log(run)  # each takes one line
    # Past the end the file begins again, and what comes then is taken already.
    high = distinct_apelidos(payloads[:sent])
    failed = sent - answered
    return {"creations_sent": sent, "creations_ko": failed, "low": max(0, high - failed), "high": high}


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN_DIR|simulation.log")
    parser.add_argument("payload_file", metavar="PAYLOAD_FILE")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    args = parser.parse_args(argv)
    try:
        verdict = judge(args.run, read_payloads(args.payload_file))
    except (OSError, Refused) as error:
        print(f"oracle.py: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(verdict))
    elif verdict["low"] == verdict["high"]:
        print(verdict["high"])
    else:
        print(f"{verdict['low']}..{verdict['high']} ({verdict['creations_ko']} creations failed)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
