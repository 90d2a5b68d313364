import unittest
from datetime import datetime

from app import app


class Routes(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def counted(self, path):
        line = f'http_total_requests{{method="GET",path="{path}"}} '
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(text.removeprefix(line)) for text in lines if text.startswith(line))

    def test_pages(self):
        self.assertIn("/time", self.client.get("/").text)
        self.assertEqual(self.client.get("/static-text").text, "A static text\n")
        self.assertEqual(self.client.get("/static-text").mimetype, "text/plain")
        datetime.strptime(self.client.get("/time").text, "%Y-%m-%dT%H:%M:%SZ\n")

    def test_requests_are_counted_by_path_and_method(self):
        before = self.counted("/time")
        for _ in range(3):
            self.client.get("/time")
        self.assertEqual(self.counted("/time"), before + 3)

    def test_a_path_of_a_clients_own_is_not_in_the_metrics(self):
        self.assertEqual(self.client.get("/nothing").status_code, 404)
        self.assertNotIn("/nothing", self.client.get("/metrics").text)


if __name__ == "__main__":
    unittest.main()
