// Routes, and the one place where an error becomes an answer.

import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import express from 'express'
import { isText, parsePerson, Rejection } from './person.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

// The parser itself takes an empty body for {}, and puts U+FFFD in the place of what is no UTF-8.
function verify(_request, _response, body) {
  if (body.length === 0) throw new Rejection(400, 'the body is empty')
  if (!isUtf8(body)) throw new Rejection(400, 'the body is no UTF-8')
}

export function createApp(store) {
  const app = express()
  app.disable('x-powered-by')
  // Nobody asks again for what has not changed: a hash of each body would be for nothing.
  app.disable('etag')

  app.post('/pessoas', express.json({ limit: '64kb', verify }), async (request, response) => {
    const person = { id: randomUUID(), ...parsePerson(request.body) }
    if (!(await store.insert(person))) throw new Rejection(422, 'this apelido is taken')
    response.status(201).location(`/pessoas/${person.id}`).end()
  })

  app.get('/pessoas', async (request, response) => {
    // A repeated parameter is an array.
    const term = [request.query.t].flat()[0]
    if (term === undefined) throw new Rejection(400, 'a search needs a term: ?t=')
    // Nobody has what cannot be stored, and Postgres would not even take it as a parameter.
    response.json(isText(term) ? await store.search(term) : [])
  })

  app.get('/pessoas/:id', async (request, response) => {
    const person = UUID.test(request.params.id) ? await store.byId(request.params.id) : undefined
    if (!person) throw new Rejection(404, 'there is no such person')
    response.json(person)
  })

  app.get('/contagem-pessoas', async (_request, response) => {
    response.type('text/plain').send(await store.count())
  })

  // Four parameters: that is how Express tells an error handler. Errors of its own parsers have a status too.
  app.use((error, _request, response, _next) => {
    const expected = error.status >= 400 && error.status < 500
    if (!expected) console.error(error)
    response.status(expected ? error.status : 503).json({ error: expected ? error.message : 'try again later' })
  })

  return app
}
