// What Fastify compiles: bodies and parameters into validators, answers into serialisers.

import { EMAIL, EMAIL_CHARACTERS, ID, NAME_CHARACTERS } from './input.js'

const text = { type: 'string' }

// An object with these members and all of them.
function object(properties) {
  return { type: 'object', required: Object.keys(properties), properties }
}

const anything = { type: 'object', additionalProperties: true }
const echoData = object({ items: { type: 'array', items: {} }, nested: anything })
const user = object({
  id: { type: 'integer' },
  name: text,
  email: text,
  created_at: { type: 'string', format: 'date-time' },
})
const userIn = object({
  name: { type: 'string', minLength: 1, maxLength: NAME_CHARACTERS },
  email: { type: 'string', maxLength: EMAIL_CHARACTERS, pattern: EMAIL.source },
})
const id = { type: 'string', pattern: ID.source }
const params = object({ id })
const granted = { user_id: { type: 'integer' }, message: text }
// How many is checked by hand: it may be missing, and has a bound.
const count = { type: 'object', properties: { count: text } }

// By the route's name in app.js.
export const SCHEMAS = {
  health: { response: { 200: object({ status: text, server: text }) } },
  echo: {
    body: object({ message: text, timestamp: { type: ['number', 'string'] }, data: echoData }),
    response: { 200: object({ message: text, data: echoData }) },
  },
  list: { response: { 200: { type: 'array', items: user } } },
  create: { body: userIn, response: { 201: user } },
  get: { params, response: { 200: user } },
  put: { params, body: userIn, response: { 200: user } },
  delete: { params },
  external: {
    response: { 200: object({ source: text, latency_ms: { type: 'number' }, data: anything }) },
  },
  protected: { response: { 200: object({ message: text, user: text }) } },
  warmup: { querystring: count, response: { 200: object({ count: { type: 'integer' } }) } },
  cached: { params, response: { 200: object({ source: text, user }) } },
  public: { response: { 200: object({ message: text }) } },
  login: {
    querystring: object({ user_id: id }),
    response: { 200: object({ access_token: text, token_type: text }) },
  },
  granted: { response: { 200: object(granted) } },
  grantedUser: { response: { 200: object({ ...granted, user }) } },
  upload: { response: { 200: object({ filename: text, size: { type: 'integer' }, content_type: text }) } },
}
