"""HTTP/1.1 as the load needs it: many requests at once on kept connections, each with an end."""

import asyncio

NO_ANSWER = 0


class Answer:
    def __init__(self, status, fields, text):
        self.status, self.fields, self.text = status, fields, text


class Client:
    """Of one server. Nothing but a GET whose kept connection was closed is ever sent twice."""

    def __init__(self, host, port, timeout_s=90):
        self.host, self.port, self.timeout_s = host, port, timeout_s
        self.idle = []

    async def ask(self, method, path, body=None, fields=None):
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._ask(method, path, body, fields or {})
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            return Answer(NO_ANSWER, {}, "")

    async def _ask(self, method, path, body, fields):
        while True:
            kept = bool(self.idle)
            reader, writer = self.idle.pop() if kept else await asyncio.open_connection(self.host, self.port)
            try:
                writer.write(self._request(method, path, body, fields))
                answer = await self._answer(reader)
            except (OSError, EOFError):
                writer.close()
                if kept and method == "GET":
                    continue
                raise
            except BaseException:
                writer.close()
                raise
            if answer.fields.get("connection") == "close":
                writer.close()
            else:
                self.idle.append((reader, writer))
            return answer

    def _request(self, method, path, body, fields):
        payload = b"" if body is None else body.encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload

    @staticmethod
    async def _answer(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        text = await reader.readexactly(int(fields.get("content-length", "0")))
        return Answer(int(head[0].split(" ")[1]), fields, text.decode())

    def close(self):
        for _, writer in self.idle:
            writer.close()
        self.idle.clear()
