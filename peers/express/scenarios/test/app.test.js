// The application with users in its memory, in both of its styles: what is answered, and what is refused.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test from 'node:test'
import { createApp } from '../src/app.js'
import { withCallbacks, withPromises } from '../src/handlers.js'
import { Rejection } from '../src/rejection.js'

// Users as the statements leave them.
class MemoryStore {
  users = new Map()
  last = 0

  #run({ name }, values = []) {
    if (name === 'users') return [...this.users.values()]
    const taken = (email, id) => [...this.users.values()].some((it) => it.email === email && it.id !== id)
    const put = (id, name, email) => {
      if (taken(email, id)) throw new Rejection(409, 'taken')
      this.users.set(id, { id, name, email })
      return [this.users.get(id)]
    }
    if (name === 'create') return put(++this.last, ...values)
    const [id] = values
    const user = this.users.get(id)
    if (!user) return []
    if (name === 'delete') this.users.delete(id)
    return name === 'change' ? put(...values) : [user]
  }

  async rows(statement, values) {
    return this.#run(statement, values)
  }

  rowsThen(statement, values, then) {
    let rows
    try {
      rows = this.#run(statement, values)
    } catch (error) {
      return process.nextTick(then, error)
    }
    process.nextTick(then, null, rows)
  }
}

async function serving(style, run) {
  const server = createServer(createApp(style(new MemoryStore())))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${server.address().port}`
  const ask = async (method, path, body, headers = { 'content-type': 'application/json' }) => {
    const text = body === undefined || body instanceof FormData ? body : JSON.stringify(body)
    const response = await fetch(base + path, { method, body: text, headers: text === body ? {} : headers })
    const answer = await response.text()
    return [response.status, answer && JSON.parse(answer)]
  }
  try {
    await run(ask, base)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

for (const style of [withPromises, withCallbacks]) {
  test(`${style.name}: users are made, found, changed and deleted`, () =>
    serving(style, async (ask) => {
      const ana = { name: 'Ana', email: 'ana@example.com' }
      assert.deepEqual(await ask('POST', '/users', ana), [201, { id: 1, ...ana }])
      assert.equal((await ask('POST', '/users', ana))[0], 409)
      const named = (name, email) => ({ name, email })
      for (const bad of [{}, [], named('Ana'), named('', 'a@b'), named('Ana', 'ana')]) {
        assert.equal((await ask('POST', '/users', bad))[0], 422, JSON.stringify(bad))
      }
      assert.deepEqual(await ask('GET', '/users'), [200, [{ id: 1, ...ana }]])
      const eva = { name: 'Eva', email: 'eva@example.com' }
      assert.deepEqual(await ask('PUT', '/users/1', eva), [200, { id: 1, ...eva }])
      assert.equal((await ask('PUT', '/users/2', ana))[0], 404)
      assert.deepEqual(await ask('GET', '/users/1'), [200, { id: 1, ...eva }])
      assert.equal((await ask('GET', '/users/x'))[0], 422)
      assert.equal((await ask('DELETE', '/users/1'))[0], 204)
      assert.equal((await ask('DELETE', '/users/1'))[0], 404)
      assert.equal((await ask('GET', '/users/1'))[0], 404)
    }))

  test(`${style.name}: the other service takes 100 ms`, () =>
    serving(style, async (ask) => {
      const [status, { source, latency_ms: took }] = await ask('GET', '/external')
      assert.ok(status === 200 && source && took >= 99, String(took))
    }))
}

test('an echo is the message and the data', () =>
  serving(withPromises, async (ask) => {
    const data = { items: [1], nested: { a: null } }
    const sent = { message: 'é', timestamp: 1, data }
    assert.deepEqual(await ask('POST', '/echo', sent), [200, { message: 'é', data }])
    assert.equal((await ask('POST', '/echo', { timestamp: 1, data }))[0], 422)
    assert.equal((await ask('POST', '/echo', { ...sent, data: { items: [] } }))[0], 422)
  }))

test('a token of ten characters has access', () =>
  serving(withPromises, async (_ask, base) => {
    const asked = async (headers) => (await fetch(`${base}/protected`, { headers })).status
    assert.equal(await asked({ authorization: 'Bearer 0123456789' }), 200)
    assert.equal(await asked({ authorization: 'Bearer 012345678' }), 401)
    assert.equal(await asked({ authorization: 'Basic 0123456789' }), 401)
    assert.equal(await asked({}), 401)
  }))

test('an upload is its name, size and type', () =>
  serving(withPromises, async (ask) => {
    const form = new FormData()
    form.set('file', new Blob(['x'.repeat(1024)], { type: 'application/octet-stream' }), 'a.bin')
    const answer = { filename: 'a.bin', size: 1024, content_type: 'application/octet-stream' }
    assert.deepEqual(await ask('POST', '/upload', form), [200, answer])
    const other = new FormData()
    other.set('other', new Blob(['x']), 'a.bin')
    assert.equal((await ask('POST', '/upload', other))[0], 422)
  }))
