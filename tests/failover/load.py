"""The load: people and orders are created through both replicas at a steady rate, whatever they answer, and
what each attempt came to is written down.
"""

import asyncio
import dataclasses
import json
import random
import threading
import time
import uuid

from client import NO_ANSWER, Client

# One in so many nicknames is wanted through both replicas at once.
CONTESTED = 10
# Attempts that may be under way; at the rates here no outage of a few minutes reaches it.
MOST_UNDER_WAY = 20_000
READS_PER_S = 10
READY_EVERY_S = 0.5
# Of the product that is sold out on the way, and of the other one.
FEW, PLENTY = 40, 1_000_000


@dataclasses.dataclass(slots=True)
class Person:
    replica: str
    nick: str
    sent: float
    ended: float = 0.0
    status: int = NO_ANSWER
    path: str = ""


@dataclasses.dataclass(slots=True)
class Order:
    key: str
    product: int
    sent: float
    ended: float = 0.0
    replica: str = ""
    status: int = NO_ANSWER
    id: int = 0
    tries: int = 0


class Load(threading.Thread):
    """Runs from start() to stop(); what it wrote down is for whoever comes after."""

    def __init__(self, replicas, admins, mark, rate):
        super().__init__(daemon=True)
        self.clients = {name: Client(*where) for name, where in replicas.items()}
        self.admins = {name: Client(*where, timeout_s=2) for name, where in admins.items()}
        self.mark, self.rate = mark, rate
        self.people, self.orders, self.reads, self.ready = [], [], [], []
        self.skipped = 0
        # Refusals that do not say when to come again.
        self.blunt = []
        self.acknowledged = []
        self.products, self.token = {}, ""
        self.few, self.plenty = FEW, PLENTY
        self.stopping, self.failed = threading.Event(), None
        self.counter = 0

    def run(self):
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - the main thread asks for it
            self.failed = error

    def stop(self, seconds):
        self.stopping.set()
        self.join(seconds)
        if self.failed or self.is_alive():
            raise RuntimeError(f"the load has not ended in order: {self.failed!r}")

    def acknowledged_since(self, replica, moment):
        """Creations that were sent after the moment and acknowledged."""
        found = 0
        for it in reversed(self.people):
            if it.sent < moment:
                break
            found += it.status == 201 and it.replica == replica
        return found

    async def _run(self):
        await self._prepare()
        self.under_way = set()
        loops = [self._read(), *map(self._look_at_readiness, self.admins)]
        for replica in self.clients:
            loops += [self._create_people(replica), self._place_orders(replica)]
        async with asyncio.TaskGroup() as group:
            for it in loops:
                group.create_task(it)
        # Every attempt has an end of its own.
        await asyncio.gather(*self.under_way)
        for client in (*self.clients.values(), *self.admins.values()):
            client.close()

    async def _prepare(self):
        client = next(iter(self.clients.values()))

        async def ask(path, body, expected):
            fields = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            for _ in range(40):
                answer = await client.ask("POST", f"/api/v1{path}", json.dumps(body), fields)
                if answer.status in (429, 503, NO_ANSWER):
                    await asyncio.sleep(0.5)
                    continue
                if answer.status == expected:
                    return json.loads(answer.text)
                break
            raise RuntimeError(f"{path}: {answer.status} {answer.text[:200]}")

        mail = {"email": f"{self.mark}@example.com", "password": "of this test"}
        await ask("/auth/register", {**mail, "full_name": "Load"}, 201)
        entered = await ask("/auth/login", {"username": mail["email"], "password": mail["password"]}, 200)
        self.token = entered["access_token"]
        for name, quantity in (("few", FEW), ("plenty", PLENTY)):
            made = await ask("/products", {"name": name, "sku": f"{self.mark}-{name}", "price": 1.25}, 201)
            await ask("/inventory/add", {"product_id": made["id"], "quantity": quantity}, 200)
            self.products[name] = made["id"]

    async def _at_rate(self, rate, begin):
        """Begins something so often, however long each takes."""
        due = time.monotonic()
        while not self.stopping.is_set():
            if len(self.under_way) < MOST_UNDER_WAY:
                for it in begin():
                    task = asyncio.create_task(it)
                    self.under_way.add(task)
                    task.add_done_callback(self.under_way.discard)
            else:
                self.skipped += 1
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    # --- People

    async def _create_people(self, replica):
        def begin():
            self.counter += 1
            nick = f"{self.mark}{self.counter:07x}"
            wanted = self.clients if self.counter % CONTESTED == 0 else (replica,)
            return [self._create_person(it, nick) for it in wanted]

        await self._at_rate(self.rate, begin)

    async def _create_person(self, replica, nick):
        body = json.dumps({"apelido": nick, "nome": "Failover", "nascimento": "2000-02-29", "stack": ["Postgres"]})
        attempt = Person(replica, nick, time.time())
        self.people.append(attempt)
        answer = await self.clients[replica].ask("POST", "/pessoas", body)
        attempt.status, attempt.ended = answer.status, time.time()
        if answer.status == 503 and "retry-after" not in answer.fields:
            self.blunt.append(attempt)
        if answer.status == 201:
            attempt.path = answer.fields.get("location", "")
            self.acknowledged.append(attempt.path)

    async def _read(self):
        """Of a person that was acknowledged, through the other replica as often as not."""
        async def read(path, replica):
            answer = await self.clients[replica].ask("GET", path)
            self.reads.append((time.time(), replica, answer.status))

        def begin():
            if not self.acknowledged:
                return []
            return [read(random.choice(self.acknowledged), replica) for replica in self.clients]

        await self._at_rate(READS_PER_S, begin)

    # --- Orders

    async def _place_orders(self, first):
        names = list(self.clients)

        def begin():
            product = self.products[random.choice(("few", "plenty"))]
            order = Order(str(uuid.uuid4()), product, time.time())
            self.orders.append(order)
            return [self._place(order, names[names.index(first):] + names[:names.index(first)])]

        await self._at_rate(max(1, self.rate // 5), begin)

    async def _place(self, order, replicas):
        """Asks for it under its key until it is answered: by the next replica each time."""
        body = json.dumps({"items": [{"product_id": order.product, "quantity": 1}]})
        fields = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": order.key}
        while True:
            order.replica = replicas[order.tries % len(replicas)]
            order.tries += 1
            answer = await self.clients[order.replica].ask("POST", "/api/v1/orders", body, fields)
            order.status, order.ended = answer.status, time.time()
            if answer.status not in (NO_ANSWER, 409, 503):
                break
            await asyncio.sleep(1)
        if answer.status == 201:
            order.id = json.loads(answer.text)["id"]

    # --- What the replicas say of themselves

    async def _look_at_readiness(self, replica):
        """Changes only. What it says why is the same for a while with other numbers in it."""
        last = None
        while not self.stopping.is_set():
            answer = await self.admins[replica].ask("GET", "/readyz")
            if answer.status != last:
                last = answer.status
                self.ready.append((time.time(), replica, answer.status, answer.text.strip()[:300]))
            await asyncio.sleep(READY_EVERY_S)
