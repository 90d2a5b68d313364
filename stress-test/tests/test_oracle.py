import json
import os
import subprocess
import sys
import tempfile
import unittest

from support import log_text

import oracle
PERSON = {"apelido": "ana", "nome": "Ana", "nascimento": "2000-02-29", "stack": ["Go", "C"]}


def stored(**changes):
    return oracle.stored_apelido(json.dumps({**PERSON, **changes}).encode())


def without(field):
    return oracle.stored_apelido(json.dumps({k: v for k, v in PERSON.items() if k != field}).encode())


class Rules(unittest.TestCase):
    def test_a_valid_person(self):
        self.assertEqual(stored(), "ana")
        self.assertEqual(stored(unknown={"deep": [1]}), "ana")

    def test_required_fields(self):
        for name in ("apelido", "nome", "nascimento"):
            self.assertIsNone(without(name), name)
            self.assertIsNone(stored(**{name: None}), name)
            self.assertIsNone(stored(**{name: 1}), name)
            self.assertIsNone(stored(**{name: ["x"]}), name)

    def test_stack_is_optional(self):
        self.assertEqual(without("stack"), "ana")
        self.assertEqual(stored(stack=None), "ana")
        self.assertEqual(stored(stack=[]), "ana")

    def test_stack_of_wrong_types(self):
        for stack in ("Go", 1, {}, True, ["Go", 1], ["Go", None], [["Go"]]):
            self.assertIsNone(stored(stack=stack), stack)

    def test_lengths_count_characters(self):
        # Two bytes, four bytes, and two code units in UTF-16: each is one character.
        for character in ("a", "ã", "😀"):
            self.assertEqual(stored(apelido=character * 32), character * 32)
            self.assertIsNone(stored(apelido=character * 33))
            self.assertEqual(stored(nome=character * 100), "ana")
            self.assertIsNone(stored(nome=character * 101))
            self.assertEqual(stored(stack=[character * 32]), "ana")
            self.assertIsNone(stored(stack=["Go", character * 33]))

    def test_text_that_postgres_cannot_hold(self):
        for text in ("a\0b", "\ud800", "x\udfff"):
            self.assertIsNone(stored(apelido=text))
            self.assertIsNone(stored(nome=text))
            self.assertIsNone(stored(stack=[text]))

    def test_dates(self):
        for text in ("2000-02-29", "1940-01-01", "0001-01-01", "9999-12-31", "2020-12-31"):
            self.assertEqual(stored(nascimento=text), "ana", text)
        for text in (
            "0000-01-01", "2001-02-29", "1900-02-29", "2000-13-01", "2000-00-10", "2000-10-00", "2000-04-31",
            "12-12-2000", "2000-1-1", "2000-01-1", " 2000-01-01", "2000-01-01 ", "2000-01-01\n", "20000101",
            "2000/01/01", "+200-01-01", "2000-01-01T00:00:00", "٢٠٠٠-٠١-٠١", '"12-12-2000"', "null", "10", "",
        ):  # fmt: skip
            self.assertIsNone(stored(nascimento=text), text)

    def test_what_is_no_json_object(self):
        for body in (b"", b"{", b"[]", b"1", b'"ana"', b"null", b"\xff\xfe", b"[" * 100_000, b'{"apelido":NaN}'):
            self.assertIsNone(oracle.stored_apelido(body), body[:20])

    def test_json_that_only_python_would_accept(self):
        body = json.dumps(PERSON)[:-1].encode()
        self.assertEqual(oracle.stored_apelido(body + b"}"), "ana")
        self.assertIsNone(oracle.stored_apelido(body + b', "x": Infinity}'))


    def test_hard_payloads(self):
        """The lab's oracle, in Rust, is held against the same list."""
        path = os.path.join(os.path.dirname(__file__), "payloads.jsonl")
        with open(path, encoding="utf-8") as file:
            cases = [json.loads(line) for line in file]
        for case in cases:
            payload = bytes.fromhex(case["payload_hex"]) if "payload_hex" in case else case["payload"].encode()
            self.assertEqual(oracle.stored_apelido(payload), case["stores"], payload[:200])
        self.assertGreater(len(cases), 100)


class Judgement(unittest.TestCase):
    def judge(self, outcomes, payloads, **options):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "simulation.log")
            with open(path, "w", encoding="utf-8") as file:
                file.write(log_text(outcomes, **options))
            return oracle.judge(directory, payloads)

    @staticmethod
    def payloads(*apelidos):
        return [json.dumps({**PERSON, "apelido": apelido}).encode() for apelido in apelidos]

    def test_counts_distinct_apelidos_among_the_lines_that_were_sent(self):
        verdict = self.judge(["OK"] * 3, self.payloads("a", "b", "a", "not sent"))
        self.assertEqual((verdict["low"], verdict["high"]), (2, 2))

    def test_case_and_accents_distinguish(self):
        verdict = self.judge(["OK"] * 3, self.payloads("ana", "Ana", "aná"))
        self.assertEqual(verdict["high"], 3)

    def test_an_invalid_row_does_not_take_its_apelido(self):
        invalid = json.dumps({**PERSON, "apelido": "a", "nascimento": "2000-13-01"}).encode()
        verdict = self.judge(["OK"] * 2, [invalid, *self.payloads("a")])
        self.assertEqual(verdict["high"], 1)

    def test_each_failed_creation_widens_the_range_by_one(self):
        verdict = self.judge(["OK", "KO", "OK", "KO"], self.payloads("a", "b", "c", "d"))
        self.assertEqual((verdict["low"], verdict["high"], verdict["creations_ko"]), (2, 4, 2))
        verdict = self.judge(["KO"] * 3, self.payloads("a", "a", "a"))
        self.assertEqual((verdict["low"], verdict["high"]), (0, 1))

    def test_other_failures_do_not(self):
        lookup = "REQUEST\t\tlookup\t1\t2\tKO\tstatus.find.in(…), found 404"
        verdict = self.judge(["OK"], self.payloads("a"), others=[lookup])
        self.assertEqual((verdict["low"], verdict["high"]), (1, 1))

    def test_past_its_end_the_file_begins_again(self):
        verdict = self.judge(["OK"] * 5, self.payloads("a", "b"))
        self.assertEqual((verdict["low"], verdict["high"]), (2, 2))

    def test_what_is_no_log(self):
        for text in ("", "hello\n", "RUN\tx\n", "RUN\ta\tb\tsoon\tc\td\n", "REQUEST\t\tcreation\t1\n"):
            with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
                file.write(text)
                file.flush()
                with self.assertRaises(oracle.Refused):
                    oracle.read_log(file.name)

    def test_whatever_the_locale_and_the_names(self):
        people = self.payloads("josé", "ação", "日本", "josé")
        with tempfile.TemporaryDirectory(prefix="josé") as directory:
            log, payloads = (os.path.join(directory, name) for name in ("simulation.log", "payloads.tsv"))
            with open(log, "w", encoding="utf-8") as file:
                file.write(log_text(["OK"] * len(people)))
            with open(payloads, "wb") as file:
                file.write(b"\n".join([b"payload", *people]))
            plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
            command = [sys.executable, oracle.__file__, log, payloads]
            run = subprocess.run(command, env={**os.environ, **plain}, capture_output=True, text=True, check=True)
            self.assertEqual(run.stdout, "3\n")

    def test_an_interrupted_run_has_no_oracle(self):
        with self.assertRaisesRegex(oracle.Refused, "cut short"):
            self.judge(["OK"], self.payloads("a"), complete=False)


if __name__ == "__main__":
    unittest.main()
