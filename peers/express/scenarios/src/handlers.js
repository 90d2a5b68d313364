// The handlers that wait, in the two styles that Express knows: promises, and callbacks with `next`.

import { setTimeout as sleep } from 'node:timers/promises'
import * as input from './input.js'
import { sendUsers } from './json.js'
import { Rejection } from './rejection.js'
import * as sql from './sql.js'

const EXTERNAL_MS = 100

// What the other service says, with how long it took.
function external(started) {
  return { source: 'external', latency_ms: performance.now() - started, data: { status: 'ok' } }
}

function found(rows) {
  if (rows.length === 0) throw new Rejection(404, 'no such user')
  return rows[0]
}

export function withPromises(store) {
  return {
    list: async (_request, response) => {
      sendUsers(response, await store.rows(sql.USERS))
    },
    create: async (request, response) => {
      const { name, email } = input.user(request.body)
      response.status(201).json(found(await store.rows(sql.CREATE, [name, email])))
    },
    get: async (request, response) => {
      response.json(found(await store.rows(sql.USER, [input.id(request.params.id)])))
    },
    put: async (request, response) => {
      const { name, email } = input.user(request.body)
      response.json(found(await store.rows(sql.CHANGE, [input.id(request.params.id), name, email])))
    },
    delete: async (request, response) => {
      found(await store.rows(sql.DELETE, [input.id(request.params.id)]))
      response.status(204).end()
    },
    external: async (_request, response) => {
      const started = performance.now()
      await sleep(EXTERNAL_MS)
      response.json(external(started))
    },
  }
}

export function withCallbacks(store) {
  // An exception in a callback is nobody's: it goes to `next`, as the store's error does.
  const then = (next, answer) => (error, rows) => {
    if (error) return next(error)
    try {
      answer(rows)
    } catch (thrown) {
      next(thrown)
    }
  }
  return {
    list: (_request, response, next) => {
      store.rowsThen(sql.USERS, undefined, then(next, (rows) => sendUsers(response, rows)))
    },
    create: (request, response, next) => {
      const { name, email } = input.user(request.body)
      const answer = (rows) => response.status(201).json(found(rows))
      store.rowsThen(sql.CREATE, [name, email], then(next, answer))
    },
    get: (request, response, next) => {
      const answer = (rows) => response.json(found(rows))
      store.rowsThen(sql.USER, [input.id(request.params.id)], then(next, answer))
    },
    put: (request, response, next) => {
      const { name, email } = input.user(request.body)
      const answer = (rows) => response.json(found(rows))
      store.rowsThen(sql.CHANGE, [input.id(request.params.id), name, email], then(next, answer))
    },
    delete: (request, response, next) => {
      const answer = (rows) => {
        found(rows)
        response.status(204).end()
      }
      store.rowsThen(sql.DELETE, [input.id(request.params.id)], then(next, answer))
    },
    external: (_request, response) => {
      const started = performance.now()
      setTimeout(() => response.json(external(started)), EXTERNAL_MS)
    },
  }
}
