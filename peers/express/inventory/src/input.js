// What clients send, checked by hand: each function returns the fields that are used, or throws a Rejection.

import { Rejection } from './rejection.js'

const MOST_LINES = 100
const MOST_QUANTITY = 2 ** 31 - 1
const MOST_PRICE = 9_999_999_999.99
const MOST_ID = 2n ** 63n - 1n
const MOST_IN_PAGE = 100

// All control characters but tab and line breaks.
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/
const EMAIL = /^[^\s@\p{Cc}]{1,64}@(?!-)[\p{L}\p{N}-]+(?<!-)(\.(?!-)[\p{L}\p{N}-]+(?<!-))+$/u

function invalid(field, message) {
  return new Rejection(422, message, field)
}

function object(body) {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Rejection(422, 'the body is no JSON object')
  }
  return body
}

function string(body, field) {
  const value = body[field]
  if (typeof value !== 'string' || !value.isWellFormed()) throw invalid(field, 'expected a string')
  return value
}

function text(body, field, mostCharacters) {
  const value = string(body, field)
  // `length` counts UTF-16 units, of which a character has one or two; a spread counts characters.
  if (value.length > mostCharacters && [...value].length > mostCharacters) {
    throw invalid(field, `expected at most ${mostCharacters} characters`)
  }
  if (value.trim() === '' || CONTROL.test(value)) throw invalid(field, 'expected a text')
  return value
}

function whole(value, field, least, most) {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(field, `expected a whole number from ${least} to ${most}`)
  }
  return value
}

// Up to twelve digits each amount has a double of its own, and `toFixed` gives the digits of the nearest one.
function price(body, field = 'price') {
  const value = body[field]
  if (typeof value !== 'number' || value < 0 || value > MOST_PRICE || Number(value.toFixed(2)) !== value) {
    throw invalid(field, `expected an amount from 0 to ${MOST_PRICE} with at most two decimals`)
  }
  return value
}

function password(value) {
  if (Buffer.byteLength(value) > 72) throw invalid('password', 'is longer than 72 bytes')
  if (value.includes('\0')) throw invalid('password', 'has a NUL')
  return value
}

export function registration(body) {
  const email = string(object(body), 'email')
  if (Buffer.byteLength(email) > 254 || !EMAIL.test(email)) throw invalid('email', 'is no e-mail address')
  const secret = string(body, 'password')
  if ([...secret].length < 8) throw invalid('password', 'is shorter than 8 characters')
  return { email, password: password(secret), fullName: text(body, 'full_name', 255) }
}

// JSON begins with a brace and a form does not, whatever the content type says: JMeter sends its form as
// JSON.
export function credentials(body) {
  if (!body.trimStart().startsWith('{')) {
    const form = new URLSearchParams(body.trim())
    return checkedCredentials({ username: form.get('username'), password: form.get('password') })
  }
  let json
  try {
    json = JSON.parse(body)
  } catch {
    throw new Rejection(400, 'the body is no JSON')
  }
  return checkedCredentials({ username: json.username ?? json.email, password: json.password })
}

function checkedCredentials(body) {
  const email = string(body, 'username')
  if (email === '' || email.includes('\0')) throw invalid('username', 'is no e-mail address')
  return { email, password: password(string(body, 'password')) }
}

export function product(body) {
  return {
    name: text(object(body), 'name', 200),
    price: price(body),
    sku: text(body, 'sku', 64),
    description: (body.description ?? null) === null ? null : text(body, 'description', 2000),
  }
}

// What is absent is null, and stays; a description may be null itself.
export function change(body) {
  const given = (field) => (object(body)[field] ?? null) !== null
  return {
    name: given('name') ? text(body, 'name', 200) : null,
    price: given('price') ? price(body) : null,
    sku: given('sku') ? text(body, 'sku', 64) : null,
    describes: 'description' in body,
    description: given('description') ? text(body, 'description', 2000) : null,
  }
}

export function quantity(body) {
  return {
    product: whole(object(body).product_id, 'product_id', 1, Number.MAX_SAFE_INTEGER),
    quantity: whole(body.quantity, 'quantity', 1, MOST_QUANTITY),
  }
}

// Lines of the order, each product once, in the order of the products.
export function order(body) {
  const { status = null, items } = object(body)
  if (status !== null && status !== 'pending') throw invalid('status', 'a new order is pending')
  if (!Array.isArray(items) || items.length < 1 || items.length > MOST_LINES) {
    throw invalid('items', `expected 1 to ${MOST_LINES} lines`)
  }
  const lines = new Map()
  items.forEach((item, index) => {
    const at = `items[${index}]`
    if (typeof item !== 'object' || item === null) throw invalid(at, 'expected an object')
    const product = whole(item.product_id, `${at}.product_id`, 1, Number.MAX_SAFE_INTEGER)
    const quantity = whole(item.quantity, `${at}.quantity`, 1, MOST_QUANTITY)
    const unitPrice = item.unit_price ?? null
    if (unitPrice !== null && typeof unitPrice !== 'number') {
      throw invalid(`${at}.unit_price`, 'expected a number')
    }
    const line = lines.get(product) ?? { product, quantity: 0, unitPrice }
    line.quantity += quantity
    lines.set(product, line)
  })
  return [...lines.values()].sort((one, other) => one.product - other.product)
}

// An id of a path, as text: Postgres has more digits than a double.
export function id(text) {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) < 1n || BigInt(text) > MOST_ID) {
    throw invalid('id', 'expected a positive whole number')
  }
  return text
}

export function page(query) {
  return {
    limit: parameter(query, 'limit', 1n, BigInt(MOST_IN_PAGE), `${MOST_IN_PAGE}`),
    skip: parameter(query, 'skip', 0n, MOST_ID, '0'),
    after: parameter(query, 'after', 0n, MOST_ID, '0'),
  }
}

function parameter(query, name, least, most, otherwise) {
  const value = query[name] ?? otherwise
  // A repeated parameter is an array.
  const isWhole = typeof value === 'string' && /^\d{1,19}$/.test(value)
  if (!isWhole || BigInt(value) < least || BigInt(value) > most) {
    throw invalid(name, `expected a whole number from ${least} to ${most}`)
  }
  return value
}
