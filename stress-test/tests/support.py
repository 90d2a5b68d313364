"""Makes the tools importable and lays out the file trees of the cgroup tests."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))


def lay_out(tree, directory):
    """Writes the files of tests/trees/<tree>.txt below `directory`."""
    with open(os.path.join(HERE, "trees", tree + ".txt"), encoding="ascii") as file:
        sections = file.read().split("==> ")[1:]  # before the first stands what the tree is
    for section in sections:
        name, _, content = section.partition("\n")
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(content)


def log_text(creations=(), complete=True, others=()):
    """A simulation.log with one user for each creation; `creations` are "OK" or "KO"."""
    lines = ["ASSERTION\tAAEBAAMFAAAA", "RUN\tRinhaBackendSimulation\trinha\t1000\tabout\t3.9.5"]
    for number, outcome in enumerate(creations):
        start = 1000 + number
        message = " " if outcome == "OK" else "Request timeout"
        lines.append(f"USER\tcreate then look up\tSTART\t{start}")
        lines.append(f"REQUEST\t\tcreation\t{start}\t{start + number}\t{outcome}\t{message}")
        if complete:
            lines.append(f"USER\tcreate then look up\tEND\t{start + number}")
    lines.extend(others)
    return "\n".join(lines) + "\n"
