"""What Maven brings is held against sums of our own before anything of it is used."""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# In the place of Maven: brings what lies in the folder `jars`.
MAVEN = """#!/usr/bin/env bash
for word in "$@"; do
  case $word in -Dpouco.lib=*) mkdir -p "${word#*=}" && cp "$JARS"/* "${word#*=}/" ;; esac
done
"""
JAVA = '#!/bin/sh\necho \'openjdk version "21.0.1"\' >&2\n'


class Installers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        programs = os.path.join(self.folder, "programs")
        self.jars = os.path.join(self.folder, "jars")
        os.mkdir(programs)
        os.mkdir(self.jars)
        for name, text in {"mvn": MAVEN, "java": JAVA, "javac": JAVA, "unzip": "#!/bin/sh\n"}.items():
            path = os.path.join(programs, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        self.environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "JARS": self.jars}

    def jar(self, name, content):
        with open(os.path.join(self.jars, name), "wb") as file:
            file.write(content)

    def lay_out(self, recipe, script, sums, names):
        """A copy of what installs, with the sums of jars of our own."""
        recipe = shutil.copytree(os.path.join(TOP, recipe), os.path.join(self.folder, "recipe"),
                                 ignore=shutil.ignore_patterns("tests", "target", "user-files"))
        self.script = os.path.join(recipe, script)
        with open(os.path.join(recipe, sums), "w", encoding="ascii") as file:
            for name in names:
                content = name.encode() * 1000
                self.jar(name, content)
                file.write(f"{hashlib.sha256(content).hexdigest()}  {name}\n")

    def install(self):
        home = os.path.join(self.folder, "home", "it")
        os.makedirs(os.path.dirname(home), exist_ok=True)
        run = subprocess.run([self.script, home], env=self.environment, capture_output=True, text=True,
                             timeout=60)
        left = [os.path.join(at, name) for at, _, names in os.walk(os.path.dirname(home)) for name in names]
        return run, [path for path in left if path.endswith(".jar")]

    def refuses(self, jar):
        run, left = self.install()
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(f"lib.sha256, and nothing is installed: {jar}\n", run.stderr)
        self.assertEqual(left, [])

    def refuses_what_it_does_not_know(self, broken, extra):
        path = os.path.join(self.jars, broken)
        with open(path, "rb") as file:
            content = bytearray(file.read())
        content[1000] ^= 1
        self.jar(broken, bytes(content))
        self.refuses(broken)
        os.remove(path)
        self.refuses(broken)
        content[1000] ^= 1
        self.jar(broken, bytes(content))
        self.jar(extra, b"")
        self.refuses(extra)
        os.remove(os.path.join(self.jars, extra))

    def test_gatling(self):
        names = ["a-1.jar", "gatling-app-3.9.5.jar"]
        self.lay_out("stress-test", "install-gatling.sh", "gatling/lib.sha256", names)
        self.refuses_what_it_does_not_know("gatling-app-3.9.5.jar", "another-1.jar")
        run, left = self.install()
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(len(left), 2)

    def test_jmeter(self):
        names = ["ApacheJMeter-5.6.3.jar"]
        names += [f"ApacheJMeter_{part}-5.6.3.jar" for part in ("components", "core", "functions", "http")]
        self.lay_out("lab/contests/inventory/jmeter", "install.sh", "lib.sha256", names)
        self.refuses_what_it_does_not_know(names[2], "another-1.jar")


if __name__ == "__main__":
    unittest.main()
