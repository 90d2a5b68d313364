"""Whatever language a user's shell speaks, a run's figures are the same: with a point, and their texts whole."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

from support import HERE, log_text

import generate

# Both have a decimal comma, and the second no UTF-8 either; POSIX has neither.
COMMA = {"de_DE.UTF-8": "UTF-8", "de_DE.ISO-8859-1": "ISO-8859-1"}
LOCALES = (*COMMA, "POSIX")

PEOPLE = ("josé", "ação", "日本", "zoë", "josé")  # the last one is taken

# In the place of Gatling: uses some CPU, and leaves the log of a run in which everything went well.
GENERATOR = """#!/usr/bin/env bash
while [ $# -gt 0 ]; do
  case $1 in -rf) results=$2; shift ;; esac
  shift
done
for ((i = 0; i < 60000; i++)); do :; done
mkdir "$results/run"
cp "$(dirname "$0")/simulation.log" "$results/run/"
curl -fsS -X POST "$POUCO_BASE_URL"
"""


class Api(http.server.BaseHTTPRequestHandler):
    """Counts nobody until it is told that the run is over."""

    def do_GET(self):
        self._answer(str(self.server.people))

    def do_POST(self):
        self.server.people = len(set(PEOPLE))
        self._answer("")

    def _answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def program(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


@unittest.skipUnless(os.path.isdir("/usr/share/i18n/locales"), "needs the package locales")
class Locales(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.top)
        for name, charmap in COMMA.items():
            command = ["localedef", "-i", "de_DE", "-f", charmap, os.path.join(cls.top, name)]
            subprocess.run(command, check=True, capture_output=True)
        # A folder with a name that ASCII does not have.
        cls.tools = os.path.join(cls.top, "josé", "stress-test")
        made = shutil.ignore_patterns("results", "resources", "__pycache__", "tests")
        shutil.copytree(os.path.dirname(HERE), cls.tools, ignore=made)
        resources = os.path.join(cls.tools, "user-files", "resources")
        os.makedirs(resources)
        seeded = f"v{generate.FORMAT}-seed{generate.DEFAULT_SEED}"
        people = [{"apelido": name, "nome": name, "nascimento": "2000-02-29", "stack": [name]} for name in PEOPLE]
        lines = ["payload", *(json.dumps(person, ensure_ascii=False) for person in people)]
        cls.payloads = os.path.join(resources, f"payloads-{seeded}-{generate.DEFAULT_ROWS}.tsv")
        for path, text in (
            (cls.payloads, "\n".join(lines) + "\n"),
            (os.path.join(resources, f"terms-{seeded}-{generate.DEFAULT_TERMS}.tsv"), "t\nçã\n"),
        ):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        cls.gatling = os.path.join(cls.top, "gatling")
        program(os.path.join(cls.gatling, "bin", "gatling.sh"), GENERATOR)
        program(os.path.join(cls.gatling, "bin", "simulation.log"), log_text(["OK"] * len(PEOPLE)))
        # No engine with containers, and a database that has everybody.
        program(os.path.join(cls.top, "bin", "engine"), "#!/bin/sh\n")
        program(os.path.join(cls.top, "bin", "psql"), f"#!/bin/sh\necho {len(set(PEOPLE))}\n")

    def run_in(self, locale, *command, **more):
        kept = (name for name in os.environ if not name.startswith(("LC_", "LANG", "PYTHON")))
        surroundings = {name: os.environ[name] for name in kept}
        surroundings.update(
            LOCPATH=self.top,
            LC_ALL=locale,
            PATH=f"{self.top}/bin:{os.environ['PATH']}",
            CONTAINER_ENGINE=f"{self.top}/bin/engine",
            DATABASE_URL="postgres://nobody@localhost/none",
            **more,
        )
        result = subprocess.run(command, env=surroundings, capture_output=True, timeout=60)
        output = result.stdout.decode("utf-8", "replace")
        self.assertEqual(result.returncode, 0, f"{locale}: {output}{result.stderr.decode('utf-8', 'replace')}")
        return output

    def test_the_locales_are_what_they_are_meant_to_be(self):
        for locale in COMMA:
            self.assertEqual(self.run_in(locale, "bash", "-c", "printf %.1f 0,5"), "0,5", locale)

    def test_a_run_has_the_same_figures(self):
        for locale in LOCALES:
            with self.subTest(locale=locale):
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
                server.people = 0
                threading.Thread(target=server.serve_forever).start()
                try:
                    output = self.run_in(
                        locale,
                        os.path.join(self.tools, "run-test.sh"),
                        self.gatling,
                        POUCO_BASE_URL=f"http://127.0.0.1:{server.server_address[1]}",
                    )
                finally:
                    server.shutdown()
                    server.server_close()
                run = os.path.join(self.tools, "user-files", "results", "run")
                self.addCleanup(shutil.rmtree, run, ignore_errors=True)
                self.assertRegex(output, r"itself took [0-9]+\.[0-9]{2} CPU s")
                self.assertIsInstance(self.read(run, "run.json")["generator_cpu_s"], float, output)
                self.assertGreater(self.read(run, "run.json")["generator_cpu_s"], 0)
                counts = self.read(run, "counts.json")
                self.assertEqual((counts["oracle_high"], counts["equal"]), (len(set(PEOPLE)), True), output)
                self.assertEqual(self.read(run, "percentiles.json")["requests"]["creation"]["count"], len(PEOPLE))
                shutil.rmtree(run)

    def read(self, run, name):
        with open(os.path.join(run, name), encoding="utf-8") as file:
            return json.load(file)

    def test_python_alone_reads_what_is_no_ascii(self):
        log = os.path.join(self.gatling, "bin", "simulation.log")
        for locale in LOCALES:
            for more in ({}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
                command = [sys.executable, os.path.join(self.tools, "oracle.py"), log, self.payloads]
                self.assertEqual(self.run_in(locale, *command, **more).strip(), str(len(set(PEOPLE))))

    def test_the_machine_is_described_alike(self):
        def described(locale):
            return re.sub(r"(?m)^date .*", "", self.run_in(locale, os.path.join(self.tools, "machine.sh")))

        plain = described("POSIX")
        self.assertRegex(plain, r"(?m)^memory +[0-9]+\.[0-9] GiB$")
        self.assertEqual(described("de_DE.UTF-8"), plain)


if __name__ == "__main__":
    unittest.main()
