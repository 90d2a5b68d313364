// The application with users in its memory, in both of its styles: what is answered, and what is refused.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test from 'node:test'
import { createApp } from '../src/app.js'
import { authRoutes } from '../src/auth.js'
import { cacheRoutes } from '../src/cache.js'
import { withCallbacks, withPromises } from '../src/handlers.js'
import { places } from '../src/kept.js'
import { Rejection } from '../src/rejection.js'

const SECRET = 'of this test, and of nothing else there is'
const HOUR = Math.floor(Date.now() / 1000) + 3600

// A token as anybody might write one.
function signed(claims, key = SECRET, alg = 'HS256') {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg, typ: 'JWT' })}.${part(claims)}`
  const signature = alg === 'none' ? '' : createHmac('sha256', key).update(text).digest('base64url')
  return `${text}.${signature}`
}

const [HEAD, CLAIMS, SIGNATURE] = signed({ sub: '7', exp: HOUR }).split('.')
const FORGED = [
  '',
  '7',
  `${HEAD}.${CLAIMS}.`,
  `${HEAD}.${signed({ sub: '8', exp: HOUR }).split('.')[1]}.${SIGNATURE}`,
  signed({ sub: '7', exp: HOUR }, SECRET, 'none'),
  signed({ sub: '7', exp: HOUR }, 'of somebody else, and long enough'),
  signed({ sub: '7', exp: HOUR - 7200 }),
  signed({ sub: '-7', exp: HOUR }),
  signed({ sub: '7' }),
  signed({ exp: HOUR }),
]

// Users as the statements leave them.
class MemoryStore {
  users = new Map()
  sessions = new Map()
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
    if (name === 'first') return [...this.users.values()].filter(({ id }) => id <= values[0])
    if (name === 'of-session') return this.#run({ name: 'user' }, [this.sessions.get(values[0])])
    if (name === 'new-session') {
      const [token, id] = values
      if (this.users.has(id)) this.sessions.set(token, id)
      return this.users.has(id) ? [{ user_id: id }] : []
    }
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
  const store = new MemoryStore()
  const more = { '/cache': cacheRoutes(store, places()), '/auth': authRoutes(store, SECRET) }
  const server = createServer(createApp(style(store), more))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${server.address().port}`
  const ask = async (method, path, body, headers = { 'content-type': 'application/json' }) => {
    const text = body === undefined || body instanceof FormData ? body : JSON.stringify(body)
    const fields = body instanceof FormData ? {} : headers
    const response = await fetch(base + path, { method, body: text, headers: fields })
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

test('a user is kept from the first time on', () =>
  serving(withPromises, async (ask) => {
    const from = async (path) => {
      const [status, { source, user }] = await ask('GET', `/cache/users/${path}`)
      return [status, source, user?.name]
    }
    for (const name of ['Ana', 'Eva']) await ask('POST', '/users', { name, email: `${name}@example.com` })
    assert.deepEqual(await from('1/process'), [200, 'database', 'Ana'])
    assert.deepEqual(await from('1/process'), [200, 'cache', 'Ana'])
    assert.deepEqual(await ask('POST', '/cache/warmup?count=10'), [200, { count: 2 }])
    assert.deepEqual(await from('2/process'), [200, 'cache', 'Eva'])
    assert.deepEqual(await from('2/no-cache'), [200, 'database', 'Eva'])
    for (const nothing of ['3/process', '3/no-cache', '1/redis', '1/constructor']) {
      assert.equal((await from(nothing))[0], 404, nothing)
    }
    for (const count of ['0', '10001', 'x']) {
      assert.equal((await ask('POST', `/cache/warmup?count=${count}`))[0], 422, count)
    }
  }))

test('a token is of whoever was logged in or of nobody', () =>
  serving(withPromises, async (ask) => {
    const asked = (how, token) => {
      return ask('GET', `/auth/protected/${how}`, undefined, { authorization: `Bearer ${token}` })
    }
    const [, ana] = await ask('POST', '/users', { name: 'Ana', email: 'ana@example.com' })
    const granted = { user_id: 1, message: 'Access granted' }
    for (const [how, ways] of [['jwt', ['jwt', 'jwt-user']], ['session', ['session']]]) {
      const [status, { access_token: token }] = await ask('POST', `/auth/login/${how}?user_id=1`)
      assert.equal(status, 200)
      for (const way of ways) {
        const answer = way === 'jwt' ? granted : { ...granted, user: ana }
        assert.deepEqual(await asked(way, token), [200, answer], way)
      }
      assert.equal((await ask('POST', `/auth/login/${how}?user_id=2`))[0], 404)
      assert.equal((await ask('POST', `/auth/login/${how}`))[0], 422)
    }
    for (const token of FORGED) {
      for (const how of ['jwt', 'jwt-user', 'session']) assert.equal((await asked(how, token))[0], 401, token)
    }
    assert.equal((await asked('jwt-user', signed({ sub: '7', exp: HOUR })))[0], 401)
    assert.deepEqual(await ask('GET', '/auth/public'), [200, { message: 'public' }])
  }))
