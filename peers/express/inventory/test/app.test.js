// The application with a store in its memory: what is refused, and what it is refused with.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test, { after, before } from 'node:test'
import jwt from 'jsonwebtoken'
import { Accounts } from '../src/accounts.js'
import { createApp } from '../src/app.js'
import { OriginalStore } from '../src/original.js'

const SECRET = '0123456789abcdef0123456789abcdef'

// One user, and one product with ten pieces.
class MemoryStore {
  quantity = 10
  orders = []

  async addUser(email, hash, full_name) {
    this.user = { id: 7, email, password_hash: hash }
    return { id: 7, email, full_name, is_active: true }
  }

  async userByEmail(email) {
    return this.user?.email === email ? this.user : undefined
  }

  async products() {
    return []
  }

  async product() {
    return { name: 'Tea', price: 2 }
  }

  async stockOf() {
    return { quantity: this.quantity }
  }

  async setStock(_product, quantity) {
    this.quantity = quantity
  }

  async writeOrder(customer, lines) {
    this.orders.push({ customer, lines })
    return { id: this.orders.length }
  }

  async stock() {
    throw new Error('Postgres is away')
  }
}

const store = new MemoryStore()
const accounts = new Accounts(store, { secret: SECRET, cost: 4 })
const server = createServer(createApp(store, new OriginalStore(store), accounts))
let base

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `http://127.0.0.1:${server.address().port}`
})
after(() => server.close())

function sign(claims, secret = SECRET, options = {}) {
  return jwt.sign(claims, secret, { algorithm: 'HS256', expiresIn: '1m', ...options })
}

function ask(method, path, { body, token = sign({ sub: '7' }), type = 'application/json' } = {}) {
  const headers = { 'content-type': type }
  if (token !== null) headers.authorization = `Bearer ${token}`
  return fetch(base + path, { method, headers, body })
}

test('who registers can log in, by a form that says it is JSON, and use the token', async () => {
  const ana = '{"email":"ana@example.com","password":"correct horse","full_name":"Ana"}'
  const registered = await ask('POST', '/api/v1/auth/register/', { body: ana, token: null })
  assert.equal(registered.status, 201)
  const account = { id: 7, email: 'ana@example.com', full_name: 'Ana', is_active: true }
  assert.deepEqual(await registered.json(), account)

  const form = 'username=ana%40example.com&password=correct+horse'
  const login = await ask('POST', '/api/v1/auth/login', { body: form, token: null })
  assert.equal(login.status, 200)
  const { access_token, token_type } = await login.json()
  assert.equal(token_type, 'bearer')
  assert.equal(jwt.decode(access_token).sub, '7')
  assert.equal((await ask('GET', '/api/v1/products', { token: access_token })).status, 200)

  for (const body of [form.replace('correct', 'wrong'), form.replace('ana', 'bob')]) {
    const refused = await ask('POST', '/api/v1/auth/login', { body, token: null })
    assert.equal(refused.status, 401)
    assert.equal(refused.headers.get('www-authenticate'), 'Bearer')
  }
})

test('only a token of ours is good', async () => {
  const bad = [
    null,
    '',
    'nonsense',
    sign({ sub: '7' }, SECRET.replace('0', '1')),
    sign({ sub: '7' }, SECRET, { algorithm: 'HS512' }),
    sign({ sub: '7' }, SECRET, { expiresIn: '-1s' }),
    jwt.sign({ sub: '7' }, '', { algorithm: 'none' }),
    sign({ sub: 'ana' }),
    sign({}),
  ]
  for (const token of bad) {
    for (const path of ['/api/v1/products', '/api/v1/inventory/', '/api/v1/orders/1']) {
      const answer = await ask('GET', path, { token })
      assert.equal(answer.status, 401, `${path} ${token}`)
      assert.equal(typeof (await answer.json()).error, 'string')
    }
  }
})

test('what is wrong is said', async () => {
  const cases = [
    ['GET', '/healthz', undefined, 200],
    ['GET', '/', undefined, 200],
    ['GET', '/nothing', undefined, 404],
    ['GET', '/api/v1/nothing', undefined, 404],
    ['DELETE', '/api/v1/inventory', undefined, 405],
    ['GET', '/api/v1/products?limit=0', undefined, 422],
    ['GET', '/api/v1/products/tea', undefined, 422],
    ['POST', '/api/v1/products', '', 400],
    ['POST', '/api/v1/products', '{"name":', 400],
    ['POST', '/api/v1/products', new Uint8Array([0x22, 0xff, 0x22]), 400],
    ['POST', '/api/v1/products', '[]', 422],
    ['POST', '/api/v1/products', 'null', 422],
    ['POST', '/api/v1/products', JSON.stringify({ name: 'x'.repeat(70_000) }), 413],
    ['POST', '/api/v1/orders', '{"items":[]}', 422],
    ['POST', '/api/v1/inventory/add', '{"product_id":1,"quantity":0}', 422],
    ['GET', '/api/v1/inventory', undefined, 503],
  ]
  for (const [method, path, body, status] of cases) {
    const answer = await ask(method, path, { body })
    assert.equal(answer.status, status, `${method} ${path} ${body}`)
    const said = await answer.json()
    if (status >= 400) assert.equal(typeof said.error, 'string', `${method} ${path}`)
  }
})

test('the original reads, compares and writes, and takes the price that it is told', async () => {
  const order = (quantity, unit_price) => JSON.stringify({ items: [{ product_id: 1, quantity, unit_price }] })
  store.quantity = 10
  assert.equal((await ask('POST', '/api/v1/orders', { body: order(11) })).status, 400)
  const placed = await ask('POST', '/api/v1/orders', { body: order(1, 0.01) })
  assert.equal(placed.status, 201)
  assert.equal(placed.headers.get('location'), '/api/v1/orders/1')
  assert.equal(store.orders[0].lines[0].unitPrice, 0.01)
  // Both read nine before either writes, and both take seven.
  const original = new OriginalStore(store)
  const lines = [{ product: 1, quantity: 7, unitPrice: null }]
  await Promise.all([original.placeOrder('7', lines), original.placeOrder('7', lines)])
  assert.equal(store.quantity, 2)
  assert.deepEqual(store.orders.map(({ lines }) => lines[0].quantity), [1, 7, 7])
})
