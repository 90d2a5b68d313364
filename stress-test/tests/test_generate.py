import contextlib
import io
import os
import tempfile
import unittest
from datetime import date

import support  # noqa: F401

import generate
import oracle

ROWS = 20_000


class Distribution(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.people = list(generate.people(1, ROWS))

    def rate(self, condition):
        return sum(1 for someone, defects in self.people if condition(someone, defects)) / ROWS

    def assert_rate(self, expected, condition):
        # Four standard deviations of a binomial draw.
        tolerance = 4 * (expected * (1 - expected) / ROWS) ** 0.5
        self.assertAlmostEqual(self.rate(condition), expected, delta=tolerance)

    def test_each_field_is_made_invalid_in_one_of_99(self):
        self.assert_rate(1 / 99, lambda p, _: len(p["apelido"]) == 35)
        self.assert_rate(1 / 99, lambda p, _: len(p["nome"]) == 120)
        self.assert_rate(1 / 99, lambda p, _: p["nascimento"] in generate.NOT_A_DATE)
        self.assert_rate(1 / 99, lambda p, _: p["stack"] in list(generate.NOT_A_STACK))

    def test_dates_are_off_the_calendar_at_the_contests_rate(self):
        # Month 13, or 29 February in the 60 of 81 years that are no leap years.
        expected = 98 / 99 * (1 / 13 + 1 / 13 / 29 * 60 / 81)
        self.assert_rate(expected, lambda _, defects: "nascimento that is on no calendar" in defects)
        self.assertAlmostEqual(expected, 0.078, delta=0.001)

    def test_stack_is_null_in_one_of_14(self):
        self.assert_rate(98 / 99 / 14, lambda p, _: p["stack"] is None)

    def test_lengths_and_alphabets(self):
        nicks = [p["apelido"] for p, _ in self.people]
        self.assertEqual({len(nick) for nick in nicks}, set(range(1, 33)) | {35})
        self.assertTrue(all(nick.isascii() and nick.isalpha() for nick in nicks))
        names = [p["nome"] for p, _ in self.people]
        self.assertEqual({len(name) for name in names}, set(range(1, 101)) | {120})
        self.assertTrue(set("".join(names)) == set(generate.LETTERS_AND_BLANK))
        stacks = [p["stack"] for p, _ in self.people if isinstance(p["stack"], list)]
        stacks = [stack for stack in stacks if stack not in list(generate.NOT_A_STACK)]
        self.assertEqual({len(stack) for stack in stacks}, set(range(1, 27)))
        self.assertEqual({word for stack in stacks for word in stack}, set(generate.LANGUAGES))
        self.assertEqual(len(set(generate.LANGUAGES)), 25)

    def test_years_months_days(self):
        dates = [p["nascimento"].split("-") for p, _ in self.people if p["nascimento"] not in generate.NOT_A_DATE]
        self.assertEqual({int(y) for y, _, _ in dates}, set(range(1940, 2021)))
        self.assertEqual({int(m) for _, m, _ in dates}, set(range(1, 14)))
        self.assertEqual({int(d) for _, _, d in dates}, set(range(1, 30)))

    def test_generator_and_oracle_agree_on_every_row(self):
        for someone, defects in self.people:
            apelido = oracle.stored_apelido(generate.payload_line(someone).encode())
            self.assertEqual(apelido, None if defects else someone["apelido"])

    def test_own_calendar_agrees_with_the_standard_library(self):
        for year in range(1940, 2021):
            for month in range(1, 13):
                for day in range(1, 30):
                    try:
                        date(year, month, day)
                        expected = True
                    except ValueError:
                        expected = False
                    self.assertEqual(generate.on_the_calendar(year, month, day), expected)
            self.assertFalse(generate.on_the_calendar(year, 13, 1))


class FullRun(unittest.TestCase):
    def test_the_contests_profile_sums_to_54635_creations(self):
        self.assertEqual(generate.FULL_RUN_CREATIONS, 54_635)

    def test_duplicates_and_rows_of_a_full_run_are_near_the_contests(self):
        counts, _ = generate.describe(generate.DEFAULT_SEED, generate.DEFAULT_ROWS, generate.FULL_RUN_CREATIONS)
        repeated = counts["valid, but the apelido is taken by an earlier valid row"]
        self.assertAlmostEqual(repeated / counts["rows"], 0.032, delta=0.003)
        # 46,486 and 46,493 rows were counted with the contest's own file.
        self.assertAlmostEqual(counts["stored when all are sent"], 46_490, delta=250)


FIRST_PAYLOAD_OF_SEED_1 = (
    '{"apelido":"NnzxHPebRwNaxLlXUbbCWtlvblwz","nome":"lypbSDIj TgrMLXwRJqFUSAF","nascimento":"1959-11-13",'
    '"stack":["Lua","F#","Go","Java","Python","JavaScript","F#","Java","Assembly","C","Perl","Swift","Julia",'
    '"F#","Clojure","Java","Swift","Python","JavaScript"]}'
)
FIRST_TERM_OF_SEED_1 = "BveGKLg mwQN"


class Files(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.out = directory.name

    def generate(self, *arguments):
        """Returns the lines of the two files."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            self.assertEqual(generate.main([*arguments, "--out", self.out]), 0)
        paths = printed.getvalue().splitlines()
        self.assertEqual(sorted(os.listdir(self.out)), sorted(os.path.basename(path) for path in paths))
        contents = []
        for path in paths:
            with open(path, encoding="ascii") as file:
                contents.append(file.read().split("\n"))
        return contents

    def test_header_and_number_of_lines(self):
        payloads, terms = self.generate("--seed", "3", "--rows", "50", "--terms", "20")
        self.assertEqual((payloads[0], len(payloads), payloads[-1]), ("payload", 52, ""))
        self.assertEqual((terms[0], len(terms), terms[-1]), ("t", 22, ""))
        self.assertTrue(all(1 <= len(term) <= 50 for term in terms[1:-1]))

    def test_a_seed_gives_these_very_bytes(self):
        # Whoever changes them changes the format, and must raise generate.FORMAT.
        payloads, terms = self.generate("--seed", "1", "--rows", "1", "--terms", "1")
        self.assertEqual(payloads[1], FIRST_PAYLOAD_OF_SEED_1)
        self.assertEqual(terms[1], FIRST_TERM_OF_SEED_1)

    def test_more_rows_begin_with_the_same_rows(self):
        few = [someone for someone, _ in generate.people(9, 10)]
        many = [someone for someone, _ in generate.people(9, 20)]
        self.assertEqual(few, many[:10])
        self.assertNotEqual(few, [someone for someone, _ in generate.people(10, 10)])

    def test_a_file_that_is_there_is_kept_on_request(self):
        arguments = ("--seed", "1", "--rows", "5", "--terms", "1")
        self.generate(*arguments)
        path = os.path.join(self.out, f"payloads-v{generate.FORMAT}-seed1-5.tsv")
        with open(path, "w", encoding="ascii") as file:
            file.write("mine")
        self.assertEqual(self.generate(*arguments, "--if-missing")[0], ["mine"])
        self.assertEqual(len(self.generate(*arguments)[0]), 7)


if __name__ == "__main__":
    unittest.main()
