// Routes, and the one place where an error becomes an answer.

import { setTimeout as sleep } from 'node:timers/promises'
import jwt from '@fastify/jwt'
import multipart from '@fastify/multipart'
import fastify from 'fastify'
import { addAuth, jwtOptions } from './auth.js'
import { addCaches } from './cache.js'
import * as input from './input.js'
import { Rejection } from './rejection.js'
import { SCHEMAS } from './schemas.js'
import * as sql from './sql.js'

const EXTERNAL_MS = 100
const KEEP_ALIVE_MS = 90_000
const JSON_BYTES = 64 * 1024
const FILE_BYTES = 10 * 1024 * 1024

// Where Fastify has validated already.
const asIs = (value) => value
const VALIDATED = { echo: asIs, user: asIs, id: asIs }

// With schemas Fastify validates and serialises by them; without, `input` checks by hand and JSON.stringify
// renders. `places` are the caches, by name, and `secret` is what tokens are signed with.
export function createApp(store, { schemas, places, secret }) {
  const app = fastify({
    bodyLimit: JSON_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What is sent is right or wrong: nothing of it is made to fit.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allowUnionTypes: true } },
  })
  app.register(multipart, { limits: { fileSize: FILE_BYTES, files: 1, fields: 10, parts: 11 } })
  app.register(jwt, jwtOptions(secret))
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(() => {
    throw new Rejection(404, 'there is nothing here')
  })
  // After the plugins: a parser must be there when the routes are.
  app.register(async (routes) => {
    const of = (name) => (schemas ? { schema: SCHEMAS[name] } : {})
    const read = schemas ? VALIDATED : input
    addTasks(routes, of, read)
    addUsers(routes, of, read, store)
    addCaches(routes, of, read, store, places)
    addAuth(routes, of, read, store)
  })
  app.addHook('onClose', async () => {
    for (const place of Object.values(places)) place.close()
    await store.close()
  })
  return app
}

function addTasks(app, of, read) {
  app.get('/health', of('health'), async () => ({ status: 'ok', server: 'fastify' }))
  app.post('/echo', of('echo'), async (request) => {
    const { message, data } = read.echo(request.body)
    return { message, data }
  })
  app.get('/external', of('external'), async () => {
    const started = performance.now()
    await sleep(EXTERNAL_MS)
    return { source: 'external', latency_ms: performance.now() - started, data: { status: 'ok' } }
  })
  app.get('/protected', { ...of('protected'), onRequest: [authenticate, identify] }, async () => {
    return { message: 'Access granted', user: 'bearer' }
  })
  app.post('/upload', of('upload'), async (request) => {
    const part = await request.file()
    if (part?.fieldname !== 'file') {
      part?.file.resume()
      throw new Rejection(422, 'file: is missing')
    }
    const { length } = await part.toBuffer()
    return { filename: part.filename, size: length, content_type: part.mimetype }
  })
}

function addUsers(app, of, read, store) {
  app.get('/users', of('list'), async () => store.rows(sql.USERS))
  app.post('/users', of('create'), async (request, reply) => {
    const { name, email } = read.user(request.body)
    const user = found(await store.rows(sql.CREATE, [name, email]))
    reply.code(201)
    return user
  })
  app.get('/users/:id', of('get'), async (request) => {
    return found(await store.rows(sql.USER, [read.id(request.params.id)]))
  })
  app.put('/users/:id', of('put'), async (request) => {
    const { name, email } = read.user(request.body)
    return found(await store.rows(sql.CHANGE, [read.id(request.params.id), name, email]))
  })
  app.delete('/users/:id', of('delete'), async (request, reply) => {
    found(await store.rows(sql.DELETE, [read.id(request.params.id)]))
    reply.code(204)
  })
}

function found(rows) {
  if (rows.length === 0) throw new Rejection(404, 'no such user')
  return rows[0]
}

function authenticate(request, _reply, done) {
  done(input.hasToken(request.headers.authorization) ? undefined : new Rejection(401, 'a token is needed'))
}

function identify(request, reply, done) {
  const id = request.headers['x-request-id']
  if (id) reply.header('x-request-id', id)
  done()
}

// What a schema refuses is a 422; errors of parsers have a status of their own.
function answerError(error, _request, reply) {
  const status = error.validation ? 422 : error.statusCode
  const expected = status >= 400 && status < 500
  if (!expected) console.error(error)
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  reply.code(expected ? status : 503).send({ error: expected ? error.message : 'try again later' })
}
