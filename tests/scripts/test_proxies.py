"""What our scripts ask on this machine they ask directly, where the environment names a proxy, and be it a dead one."""

import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = ("http_proxy", "https_proxy", "all_proxy")
# They source direct.sh themselves, or lie beside the one that does.
SOURCES = re.compile(r"^(?:\.|source) .*(?:direct|common|lab|lib)\.sh", re.MULTILINE)
CALLS_CURL = re.compile(r"^(?!\s*#)(?:.*[;|&({!]|\s*(?:if|until|while|in_namespace))?\s*curl -", re.MULTILINE)


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        prometheus = b'{"data": {"result": [{"value": [0, "7"]}]}}'
        body = prometheus if self.path.startswith("/api/v1/query?") else b"7"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class BehindADeadProxy(unittest.TestCase):
    def setUp(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=server.serve_forever).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.port = server.server_port
        # Bound, and nobody listens.
        dead = socket.socket()
        dead.bind(("127.0.0.1", 0))
        self.addCleanup(dead.close)
        proxy = f"http://127.0.0.1:{dead.getsockname()[1]}"
        self.environment = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"}
        for name in NAMES:
            self.environment |= {name: proxy, name.upper(): proxy}

    def run_it(self, *command, **settings):
        environment = self.environment | settings
        run = subprocess.run(command, env=environment, cwd=TOP, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.strip()

    def test_curl_alone_would_ask_the_proxy(self):
        command = ["curl", "-fs", f"http://127.0.0.1:{self.port}/"]
        self.assertNotEqual(subprocess.run(command, env=self.environment, check=False).returncode, 0)

    def test_the_stacks_tests(self):
        script = f"set -eu; . tests/stack/lib.sh; http http://127.0.0.1:{self.port}/"
        self.assertEqual(self.run_it("bash", "-c", script), "7")

    def test_questions_to_prometheus(self):
        url = f"http://127.0.0.1:{self.port}"
        out = self.run_it(sys.executable, "tests/stack/prometheus.py", url, "value", "up")
        self.assertEqual(out, "7")

    def test_other_exceptions_stay(self):
        script = ". stress-test/stresslib/direct.sh; . stress-test/stresslib/direct.sh; echo $no_proxy $NO_PROXY"
        loopback = "localhost,127.0.0.1,::1"
        for given, kept in (("", loopback), ("a.example", f"a.example,{loopback}"), ("*", "*")):
            for name in ("no_proxy", "NO_PROXY"):
                out = self.run_it("bash", "-f", "-c", script, **({name: given} if given else {}))
                self.assertEqual(out, f"{kept} {kept}", name)

    def test_every_script_that_calls_curl_has_the_exception(self):
        listed = subprocess.run(["git", "ls-files", "*.sh"], cwd=TOP, capture_output=True, text=True, check=True)
        callers = []
        for name in listed.stdout.split():
            with open(os.path.join(TOP, name), encoding="utf-8") as file:
                text = file.read()
            if CALLS_CURL.search(text):
                callers.append(name)
                self.assertRegex(text, SOURCES, name)
        self.assertGreater(len(callers), 3, callers)


if __name__ == "__main__":
    unittest.main()
