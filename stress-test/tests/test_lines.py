"""Files of payloads and terms in every form that an editor or a spreadsheet writes: all generators read them alike.

The lab's own reader (lab/src/lines.rs) is held against the same list. k6's needs node, and Gatling's needs GATLING_HOME.
"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from support import HERE

import oracle

TOP = os.path.dirname(os.path.dirname(HERE))
GATLING = os.environ.get("GATLING_HOME")

# What k6 offers to a script, and the function itself, without the rest of the script.
K6 = r"""
const fs = require('fs');
const script = fs.readFileSync(process.argv[1], 'utf8');
const source = script.match(/export function lines\([^]*?\n}\n/)[0].replace('export ', '');
class SharedArray { constructor(name, make) { return make(); } }
const open = (path) => fs.readFileSync(path, 'utf8');
const lines = new Function('SharedArray', 'open', source + 'return lines;')(SharedArray, open);
const read = (path) => { try { return lines(path, 'payload'); } catch (error) { return null; } };
console.log(JSON.stringify(process.argv.slice(2).map(read)));
"""


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(os.path.join(HERE, "line_files.json"), encoding="utf-8") as file:
            self.forms = json.load(file)
        for number, form in enumerate(self.forms):
            form["path"] = os.path.join(self.folder, f"{number}.tsv")
            with open(form["path"], "w", encoding="utf-8", newline="") as file:
                file.write(form["file"])

    def hold(self, read):
        for form in self.forms:
            self.assertEqual(read(form["path"]), form["lines"], form["form"])

    def test_the_oracle(self):
        def read(path):
            try:
                return [line.decode() for line in oracle.read_payloads(path)]
            except oracle.Refused:
                return None

        self.hold(read)

    @unittest.skipUnless(shutil.which("node"), "node is missing")
    def test_k6(self):
        script = os.path.join(TOP, "lab/contests/k6-load.js")
        paths = [form["path"] for form in self.forms]
        run = subprocess.run(["node", "-e", K6, script, *paths], capture_output=True, text=True, check=True)
        read = dict(zip(paths, json.loads(run.stdout)))
        self.hold(read.get)

    @unittest.skipUnless(GATLING, "GATLING_HOME is not set")
    def test_gatling(self):
        source = os.path.join(TOP, "stress-test/user-files/simulations/rinhabackend/Lines.scala")
        libraries = os.path.join(GATLING or "", "lib", "*")
        compiler = ["java", "-cp", libraries, "scala.tools.nsc.Main", "-usejavacp", "-d", self.folder, source]
        subprocess.run(compiler, check=True)

        def read(path):
            # In whatever locale: the file is UTF-8 all the same.
            command = ["java", "-cp", f"{self.folder}:{libraries}", "Lines", path, "payload"]
            run = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
            if run.returncode:
                self.assertIn(b"the first line must be the header 'payload'", run.stderr)
                return None
            return run.stdout.decode().split("\0")[:-1]

        self.hold(read)


if __name__ == "__main__":
    unittest.main()
