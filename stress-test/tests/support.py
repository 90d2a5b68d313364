"""Makes the tools importable, and a log of a run."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))


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
