#!/usr/bin/env python3
"""Writes into a requirements file the SHA-256 of what pip takes for each version that it names.

    scripts/pip-hashes.py [--python 3.13] FILE…

A line is `name==version`; what stood below it is made again. The hashes are those of the wheels that pip
would choose on glibc 2.41 (Debian 13) with each named Python, on x86-64 and on 64-bit ARM: nothing else can
then be installed from the file with `pip install --require-hashes --no-deps --only-binary :all:`. pip looks
up the wheels, without an installation.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile

# Debian 13's, which pip goes down from to the oldest that a wheel of today is made for.
GLIBC_MINORS = range(41, 16, -1)
MACHINES = ["x86_64", "aarch64"]
LINE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.+!-]*)$")


def requirements(path):
    """The pinned versions, and the comments that stand before them."""
    kept = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split(" \\")[0].rstrip()
            if not line or line.lstrip().startswith("--hash="):
                continue
            if not line.startswith("#") and not LINE.match(line):
                sys.exit(f"{path}:{number}: not of the form name==version: {line}")
            kept.append(line)
    return kept


def looked_up(pins, python, machine):
    """What pip would take, as (name in small letters, hash)."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"]
    # What this script itself runs on does not matter.
    command += ["--ignore-requires-python", "--python-version", python]
    for platform in platforms:
        command += ["--platform", platform]
    with tempfile.TemporaryDirectory() as folder:
        report = f"{folder}/report.json"
        subprocess.run(command + ["--target", folder, "--report", report, *pins], check=True)
        with open(report, encoding="utf-8") as file:
            installs = json.load(file)["install"]
    for install in installs:
        name = re.sub(r"[-_.]+", "-", install["metadata"]["name"]).lower()
        yield name, install["download_info"]["archive_info"]["hashes"]["sha256"]


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--python", action="append", help="may be given several times; 3.13 if not at all")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()
    for path in options.files:
        lines = requirements(path)
        pins = [line for line in lines if not line.startswith("#")]
        hashes = {}
        for python in options.python or ["3.13"]:
            for machine in MACHINES:
                for name, value in looked_up(pins, python, machine):
                    hashes.setdefault(name, set()).add(value)
        with open(path, "w", encoding="utf-8") as file:
            for line in lines:
                match = LINE.match(line)
                found = sorted(hashes[re.sub(r"[-_.]+", "-", match[1]).lower()]) if match else []
                file.write(" \\\n".join([line, *(f"    --hash=sha256:{value}" for value in found)]) + "\n")


main()
