"""Holds what was acknowledged against what is stored, and against what each replica says."""

import asyncio
import collections
import json
import time
import urllib.parse

from client import Client

AT_ONCE = 32
# How long a replica may take to follow: after a promotion it reads everything anew.
CATCH_UP_S = 60


class Verdict:
    """Counts of what may not be; `broken` has an example of each."""

    def __init__(self):
        self.counts, self.broken = {}, []

    def hold(self, rule, offenders):
        offenders = list(offenders)
        self.counts[rule] = len(offenders)
        if offenders:
            self.broken.append(f"{rule}: {len(offenders)}, such as {offenders[0]}")


async def _each(items, ask):
    """ask(item) for all of them, a few at once; the items of which it says no."""
    waiting, refused = list(items), []

    async def work():
        while waiting:
            item = waiting.pop()
            if not await ask(item):
                refused.append(item)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return refused


async def _each_in_time(items, ask, seconds=CATCH_UP_S):
    """The same, for what may take a while to become true."""
    deadline = time.monotonic() + seconds
    while (items := await _each(items, ask)) and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
    return items


def _person_id(attempt):
    return attempt.path.rsplit("/", 1)[-1]


def _is_among(answer, person_id):
    return answer.status == 200 and any(it["id"] == person_id for it in json.loads(answer.text))


async def _people(verdict, replicas, people, rows, unknown):
    acknowledged = [it for it in people if it.status == 201]
    times = collections.Counter(it.nick for it in acknowledged)
    stored_nicks = {row[1] for row in rows}
    ids = {row[0]: row[1] for row in rows}
    verdict.hold("acknowledged and lost", (it for it in acknowledged if ids.get(_person_id(it)) != it.nick))
    verdict.hold("a nickname acknowledged twice", (nick for nick, count in times.items() if count > 1))
    verdict.hold("another answer than 201, 422, 503 or none",
                 (it for it in people if it.status not in (0, 201, 422, 503)))
    verdict.hold("taken, and nobody has it",
                 (it for it in people if it.status == 422 and it.nick not in stored_nicks))
    unknown = sorted(({it.nick for it in people} | set(unknown)) - stored_nicks)
    for name, client in replicas.items():
        async def by_id(row, client=client):
            answer = await client.ask("GET", f"/pessoas/{row[0]}")
            return answer.status == 200 and json.loads(answer.text)["apelido"] == row[1]

        async def by_search(row, client=client):
            answer = await client.ask("GET", f"/pessoas?t={urllib.parse.quote(row[1])}")
            return _is_among(answer, row[0])

        async def is_nobody(nick, client=client):
            answer = await client.ask("GET", f"/pessoas?t={urllib.parse.quote(nick)}")
            return answer.status == 200 and answer.text == "[]"

        verdict.hold(f"not found by id through {name}", await _each_in_time(rows, by_id))
        verdict.hold(f"not found by search through {name}", await _each_in_time(rows, by_search))
        verdict.hold(f"a ghost in {name}", await _each_in_time(unknown, is_nobody))


async def _orders(verdict, replicas, load, rows, stock):
    placed = [it for it in load.orders if it.status == 201]
    stored = {int(order): (int(product), int(quantity)) for order, product, quantity in rows}
    verdict.hold("an order lost or altered", (it for it in placed if stored.get(it.id) != (it.product, 1)))
    verdict.hold("an order stored that nobody was told of", sorted(set(stored) - {it.id for it in placed}))
    times = collections.Counter(it.id for it in placed)
    verdict.hold("two keys with one order", (it for it, count in times.items() if count > 1))
    verdict.hold("an order answered with something else", (it for it in load.orders if it.status not in (201, 400)))
    few, plenty = load.products["few"], load.products["plenty"]
    for product, first in ((few, load.few), (plenty, load.plenty)):
        sold = sum(quantity for it, quantity in stored.values() if it == product)
        left = stock.get(product)
        wrong = left is None or left < 0 or left + sold != first
        verdict.hold(f"stock that does not add up ({'few' if product == few else 'plenty'})",
                     [f"{first} - {sold} != {left}"] if wrong else [])
    fields = {"Authorization": f"Bearer {load.token}"}
    for name, client in replicas.items():
        async def by_id(order, client=client):
            answer = await client.ask("GET", f"/api/v1/orders/{order.id}", fields=fields)
            return answer.status == 200 and json.loads(answer.text)["id"] == order.id

        verdict.hold(f"an order not found through {name}", await _each_in_time(placed, by_id))


def judge(load, cluster, replicas, unknown=()):
    """Everything, after the load has ended and the cluster is whole. Nobody may know `unknown` nicknames."""
    people = cluster.query(f"SELECT id, apelido FROM people WHERE starts_with(apelido, '{load.mark}')")
    products = ",".join(str(it) for it in load.products.values())
    orders = cluster.query(f"SELECT order_id, product_id, quantity FROM inventory.order_lines WHERE product_id IN ({products})")
    stock = {int(it): int(left) for it, left in
             cluster.query(f"SELECT product_id, quantity FROM inventory.stock WHERE product_id IN ({products})")}
    verdict = Verdict()
    verdict.hold("acknowledged and read as something else (404)",
                 (it for it in load.reads if it[2] not in (0, 200, 503)))

    verdict.hold("a 503 without Retry-After", load.blunt)

    async def ask():
        clients = {name: Client(*where, timeout_s=15) for name, where in replicas.items()}
        await _people(verdict, clients, load.people, people, unknown)
        await _orders(verdict, clients, load, orders, stock)
        for client in clients.values():
            client.close()

    asyncio.run(ask())
    verdict.rows = len(people)
    verdict.unheard = len(people) - sum(it.status == 201 for it in load.people)
    verdict.stored_orders = len(orders)
    return verdict
