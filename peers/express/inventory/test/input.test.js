import assert from 'node:assert/strict'
import test from 'node:test'
import * as input from '../src/input.js'

// The member that is to blame, or the status where there is none; undefined for what is taken.
function blamed(read, body) {
  try {
    read(body)
    return undefined
  } catch (error) {
    return error.field ?? error.status
  }
}

const tea = { name: 'Tea', price: 10.1, sku: 'TEA-1' }

test('an account has a plausible address and a password that bcrypt takes whole', () => {
  const ana = { email: 'ana@example.com', password: 'correct horse', full_name: 'Ana' }
  assert.deepEqual(input.registration(ana), { email: ana.email, password: ana.password, fullName: 'Ana' })
  for (const email of ['zoë@münchen.example', "o'hara@x-y.example", 'Ana.B+tag@Example.com']) {
    assert.equal(blamed(input.registration, { ...ana, email }), undefined, email)
  }
  const none = [undefined, 1, '', 'a', '@b.c', 'a@b', 'a@b..c', 'a@-b.c', 'a@b@c.d', 'a b@c.d', 'a\0@b.c']
  for (const email of none) {
    assert.equal(blamed(input.registration, { ...ana, email }), 'email', email)
  }
  for (const password of ['ë'.repeat(8), 'ë'.repeat(36)]) {
    assert.equal(blamed(input.registration, { ...ana, password }), undefined, password)
  }
  for (const password of [undefined, 12345678, '1234567', 'ë'.repeat(37), 'x'.repeat(73), '12345678\0']) {
    assert.equal(blamed(input.registration, { ...ana, password }), 'password', password)
  }
  assert.equal(blamed(input.registration, { ...ana, full_name: ' ' }), 'full_name')
  for (const body of [[], null, 1, 'a']) assert.equal(blamed(input.registration, body), 422)
})

test('a login is a form or JSON', () => {
  const read = { email: 'a@b.c', password: 'p q' }
  for (const body of [
    'username=a%40b.c&password=p+q',
    '{"username":"a@b.c","password":"p q"}',
    ' {"email":"a@b.c","password":"p q"}',
  ]) {
    assert.deepEqual(input.credentials(body), read, body)
  }
  assert.equal(blamed(input.credentials, '{'), 400)
  assert.equal(blamed(input.credentials, 'username=a%40b.c'), 'password')
  assert.equal(blamed(input.credentials, 'password=p'), 'username')
  assert.equal(blamed(input.credentials, '{"username":1,"password":"p"}'), 'username')
})

test('a price has two decimals at most', () => {
  assert.deepEqual(input.product(tea), { ...tea, description: null })
  for (const price of [0, 0.07, 1e2, 1.1, 9_999_999_999.99]) {
    assert.equal(blamed(input.product, { ...tea, price }), undefined, price)
  }
  for (const price of [undefined, null, '1', true, -0.01, 0.001, 10.005, 1e-9, 1e10, 1e300]) {
    assert.equal(blamed(input.product, { ...tea, price }), 'price', price)
  }
})

test('texts are what Postgres can store, and are counted in characters', () => {
  assert.equal(blamed(input.product, { ...tea, name: '🦀'.repeat(200) }), undefined)
  for (const name of [undefined, 7, '', ' ', 'a\0', 'a\ud83e', '🦀'.repeat(201)]) {
    assert.equal(blamed(input.product, { ...tea, name }), 'name', name)
  }
  assert.equal(blamed(input.product, { ...tea, sku: 'x'.repeat(65) }), 'sku')
  assert.equal(blamed(input.product, { ...tea, description: '' }), 'description')
})

test('a change leaves what it does not name', () => {
  const nothing = { name: null, price: null, sku: null, describes: false, description: null }
  assert.deepEqual(input.change({}), nothing)
  assert.deepEqual(input.change({ price: 0, description: null }), { ...nothing, price: 0, describes: true })
  assert.equal(blamed(input.change, { sku: 1 }), 'sku')
  assert.equal(blamed(input.change, []), 422)
})

test('an order has each product once, in the order of the products', () => {
  const items = [
    { product_id: 7, quantity: 2, unit_price: 0.01 },
    { product_id: 3, quantity: 1 },
    { product_id: 7, quantity: 2 ** 31 - 1 },
  ]
  assert.deepEqual(input.order({ status: 'pending', items }), [
    { product: 3, quantity: 1, unitPrice: null },
    { product: 7, quantity: 2 ** 31 + 1, unitPrice: 0.01 },
  ])
})

test('an order that is none says where', () => {
  const line = { product_id: 1, quantity: 1 }
  const cases = [
    [{}, 'items'],
    [{ items: [] }, 'items'],
    [{ items: {} }, 'items'],
    [{ items: Array(101).fill(line) }, 'items'],
    [{ items: [line, 1] }, 'items[1]'],
    [{ items: [line, null] }, 'items[1]'],
    [{ items: [{ quantity: 1 }] }, 'items[0].product_id'],
    [{ items: [{ product_id: '1', quantity: 1 }] }, 'items[0].product_id'],
    [{ items: [{ ...line, unit_price: '1' }] }, 'items[0].unit_price'],
    [{ status: 'shipped', items: [line] }, 'status'],
  ]
  for (const [body, field] of cases) assert.equal(blamed(input.order, body), field, JSON.stringify(body))
  for (const quantity of [undefined, null, 0, -1, 1.5, '1', 2 ** 31]) {
    assert.equal(blamed(input.order, { items: [{ ...line, quantity }] }), 'items[0].quantity', quantity)
    assert.equal(blamed(input.quantity, { ...line, quantity }), 'quantity', quantity)
  }
})

test('pages and ids are whole numbers that Postgres takes', () => {
  assert.deepEqual(input.page({}), { limit: '100', skip: '0', after: '0' })
  assert.deepEqual(input.page({ limit: '1', skip: '9223372036854775807' }).skip, '9223372036854775807')
  for (const limit of ['0', '101', '-1', '+1', '1.0', 'ten', '', ['1', '2']]) {
    assert.equal(blamed(input.page, { limit }), 'limit', limit)
  }
  for (const skip of ['-1', '', '9223372036854775808', '99999999999999999999999']) {
    assert.equal(blamed(input.page, { skip }), 'skip', skip)
  }
  assert.equal(input.id('9223372036854775807'), '9223372036854775807')
  for (const id of ['0', '-1', 'tea', '1.5', '9223372036854775808', '1'.repeat(23)]) {
    assert.equal(blamed(input.id, id), 'id', id)
  }
})
