// What is sent, checked by hand: what the schemas say where there are any. Each answers what it was given.

import { Rejection } from './rejection.js'

export const NAME_CHARACTERS = 100
export const EMAIL_CHARACTERS = 254
export const EMAIL = /^[^@\s]+@[^@\s]+$/
// All of them are numbers without loss.
export const ID = /^[0-9]{1,15}$/
const TOKEN_CHARACTERS = 10

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

function must(holds, message) {
  if (!holds) throw new Rejection(422, message)
}

export function echo(body) {
  must(isObject(body), 'expected an object')
  const { message, timestamp, data } = body
  must(typeof message === 'string', 'message: expected a string')
  must(['number', 'string'].includes(typeof timestamp), 'timestamp: expected a number or a string')
  const whole = isObject(data) && Array.isArray(data.items) && isObject(data.nested)
  must(whole, 'data: expected items and nested')
  return body
}

export function user(body) {
  must(isObject(body), 'expected an object')
  const { name, email } = body
  const isText = (text, most) => typeof text === 'string' && text.length > 0 && text.length <= most
  must(isText(name, NAME_CHARACTERS), `name: expected 1 to ${NAME_CHARACTERS} characters`)
  must(isText(email, EMAIL_CHARACTERS) && EMAIL.test(email), 'email: expected an address')
  return body
}

export function id(text) {
  must(ID.test(text), 'id: expected a number')
  return text
}

// How many, of the query: 1,000 by default.
export function count(text = '1000', most) {
  const value = Number(text)
  must(/^[0-9]{1,15}$/.test(text) && value >= 1 && value <= most, `count: expected a number up to ${most}`)
  return value
}

// Of `Authorization: Bearer …`, whatever it is worth.
export function bearer(header = '') {
  const [scheme, value = ''] = header.split(' ')
  if (scheme.toLowerCase() !== 'bearer' || value === '') throw new Rejection(401, 'a valid token is needed')
  return value
}

// Of `Authorization: Bearer …`, with schemas and without.
export function hasToken(header = '') {
  const [scheme, value = ''] = header.split(' ')
  return scheme.toLowerCase() === 'bearer' && value.length >= TOKEN_CHARACTERS
}
