// The application on either platform, while Postgres is away: what is answered, and what is refused before
// that is noticed.

import 'reflect-metadata'
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { createApp } from '../src/app.js'
import { Kept } from '../src/kept.js'
import { ADAPTERS, type Adapter } from '../src/settings.js'

type Ask = (
  method: string,
  path: string,
  body?: string | FormData,
  headers?: Record<string, string>,
) => Promise<[number, any]>

const SECRET = 'of this test, and of nothing else there is'
const HOUR = Math.floor(Date.now() / 1000) + 3600

// A token as anybody might write one.
function signed(claims: object, key = SECRET, alg = 'HS256'): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
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

async function serving(adapter: Adapter, run: (ask: Ask) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'pouco-'))
  process.env.PGHOST = folder
  const app = await createApp({ adapter, connections: 1, redisUrl: '', secret: SECRET })
  await app.listen(0, '127.0.0.1')
  const base = `http://127.0.0.1:${app.getHttpServer().address().port}`
  const ask: Ask = async (method, path, body, headers = {}) => {
    const type: Record<string, string> =
      typeof body === 'string' ? { 'content-type': 'application/json' } : {}
    const response = await fetch(base + path, { method, body, headers: { ...type, ...headers } })
    return [response.status, await response.json()]
  }
  try {
    await run(ask)
  } finally {
    app.getHttpServer().closeAllConnections()
    await app.close()
    rmdirSync(folder)
  }
}

const ANA = '{"name":"Ana","email":"ana@example.com"}'
const DATA = '"data":{"items":[],"nested":{}}'
const LONG = 'a'.repeat(101)
const CASES: [string, string, string | undefined, number][] = [
  ['GET', '/health', undefined, 200],
  ['GET', '/nothing', undefined, 404],

  ['POST', '/echo', `{"message":"","timestamp":0,${DATA}}`, 200],
  ['POST', '/echo', `{"message":"a","timestamp":"now",${DATA}}`, 200],
  ['POST', '/echo', `{"timestamp":1,${DATA}}`, 422],
  ['POST', '/echo', `{"message":1,"timestamp":1,${DATA}}`, 422],
  ['POST', '/echo', `{"message":"a",${DATA}}`, 422],
  ['POST', '/echo', `{"message":"a","timestamp":[],${DATA}}`, 422],
  ['POST', '/echo', '{"message":"a","timestamp":1}', 422],
  ['POST', '/echo', '{"message":"a","timestamp":1,"data":{"items":[]}}', 422],
  ['POST', '/echo', '{"message":"a","timestamp":1,"data":{"items":1,"nested":{}}}', 422],
  ['POST', '/echo', '{"message":', 400],
  ['POST', '/echo', `"${'a'.repeat(64 * 1024)}"`, 413],

  ['GET', '/users', undefined, 503],
  ['GET', '/users/1', undefined, 503],
  ['POST', '/users', ANA, 503],
  ['PUT', '/users/1', ANA, 503],
  ['DELETE', '/users/1', undefined, 503],
  ['GET', '/users/x', undefined, 422],
  ['GET', '/users/-1', undefined, 422],
  ['GET', '/users/9223372036854775808', undefined, 422],
  ['PUT', '/users/x', ANA, 422],
  ['DELETE', '/users/x', undefined, 422],
  ['POST', '/users', '{"name":"Ana"}', 422],
  ['POST', '/users', '{"email":"ana@example.com"}', 422],
  ['POST', '/users', '{"name":"","email":"ana@example.com"}', 422],
  ['POST', '/users', `{"name":"${LONG}","email":"ana@example.com"}`, 422],
  ['POST', '/users', '{"name":"Ana","email":"ana"}', 422],
  ['POST', '/users', '[]', 422],
  ['PUT', '/users/1', '{"name":"Ana"}', 422],

  ['POST', '/cache/warmup', undefined, 503],
  ['POST', '/cache/warmup?count=0', undefined, 422],
  ['POST', '/cache/warmup?count=10001', undefined, 422],
  ['POST', '/cache/warmup?count=x', undefined, 422],
  ['GET', '/cache/users/1/no-cache', undefined, 503],
  ['GET', '/cache/users/1/process', undefined, 503],
  ['GET', '/cache/users/x/process', undefined, 422],
  ['GET', '/cache/users/1/redis', undefined, 404],
  ['GET', '/cache/users/1/constructor', undefined, 404],
  ['GET', '/auth/public', undefined, 200],
  ['POST', '/auth/login/jwt', undefined, 422],
  ['POST', '/auth/login/jwt?user_id=x', undefined, 422],
  ['POST', '/auth/login/session?user_id=1', undefined, 503],
  ['GET', '/auth/protected/jwt', undefined, 401],
  ['GET', '/auth/protected/jwt-user', undefined, 401],
  ['GET', '/auth/protected/session', undefined, 401],
]

for (const adapter of ADAPTERS) {
  test(`${adapter}: what is refused`, () =>
    serving(adapter, async (ask) => {
      for (const [method, path, body, want] of CASES) {
        const [status, answer] = await ask(method, path, body)
        const shown = `${method} ${path} ${body}: ${status} ${JSON.stringify(answer)}`
        assert.equal(status, want, shown)
        assert.equal(answer.statusCode ?? 200, want, shown)
      }
    }))

  test(`${adapter}: an echo is the message and the data`, () =>
    serving(adapter, async (ask) => {
      const data = { items: [1, 'é', null, { a: [] }], nested: { a: { b: true }, c: 1.5 } }
      const sent = JSON.stringify({ message: '日本', timestamp: 1704067200000, data })
      assert.deepEqual(await ask('POST', '/echo', sent), [200, { message: '日本', data }])
    }))

  test(`${adapter}: the other service takes 100 ms`, () =>
    serving(adapter, async (ask) => {
      const [status, { source, latency_ms: took, data }] = await ask('GET', '/external')
      assert.ok(status === 200 && source && data.status === 'ok' && took >= 99, String(took))
    }))

  test(`${adapter}: a token of ten characters has access`, () =>
    serving(adapter, async (ask) => {
      const asked = async (headers: Record<string, string>) => {
        return (await ask('GET', '/protected', undefined, headers))[0]
      }
      assert.equal(await asked({ authorization: 'Bearer 0123456789' }), 200)
      assert.equal(await asked({ authorization: 'Bearer 012345678' }), 401)
      assert.equal(await asked({ authorization: 'Basic 0123456789' }), 401)
      assert.equal(await asked({}), 401)
    }))

  test(`${adapter}: a JSON Web Token is good or is of nobody`, () =>
    serving(adapter, async (ask) => {
      const asked = (token: string) => {
        return ask('GET', '/auth/protected/jwt', undefined, { authorization: `Bearer ${token}` })
      }
      const granted = [200, { user_id: 7, message: 'Access granted' }]
      assert.deepEqual(await asked(signed({ sub: '7', exp: HOUR })), granted)
      for (const token of FORGED) assert.equal((await asked(token))[0], 401, token)
    }))

  test(`${adapter}: an upload is its name, size and type`, () =>
    serving(adapter, async (ask) => {
      const form = (field: string) => {
        const form = new FormData()
        form.set(field, new Blob(['x'.repeat(1024)], { type: 'application/octet-stream' }), 'a.bin')
        return form
      }
      const answer = { filename: 'a.bin', size: 1024, content_type: 'application/octet-stream' }
      assert.deepEqual(await ask('POST', '/upload', form('file')), [200, answer])
      // What the platform's own parser refuses.
      assert.equal((await ask('POST', '/upload', form('other')))[0], 400)
      const text = new FormData()
      text.set('file', 'x')
      assert.equal((await ask('POST', '/upload', text))[0], 422)
    }))
}

test('what is put into the process is found there', async () => {
  const kept = new Kept('')
  const ana = { id: 1, name: 'Ana', email: 'ana@example.com', created_at: new Date() }
  assert.equal(await kept.place('process')?.get(1), undefined)
  await kept.put([ana])
  assert.deepEqual(await kept.place('process')?.get(1), ana)
  assert.equal(kept.place('redis'), undefined)
})
