// Routes, and the one place where an error becomes an answer.

import express from 'express'
import multer from 'multer'
import * as input from './input.js'
import { Rejection } from './rejection.js'

const JSON_LIMIT = '64kb'
const FILE_BYTES = 10 * 1024 * 1024

// `handlers` are those that wait, in one of two styles; `more` are routers by their paths.
export function createApp(handlers, more = {}) {
  const app = express()
  app.disable('x-powered-by')
  // Nobody asks again for what has not changed: a hash of each body would be for nothing.
  app.disable('etag')
  const json = express.json({ limit: JSON_LIMIT })
  const form = multer({ storage: multer.memoryStorage(), limits: { fileSize: FILE_BYTES, files: 1 } })

  app.get('/health', (_request, response) => response.json({ status: 'ok', server: 'express' }))
  app.post('/echo', json, (request, response) => response.json(input.echo(request.body)))
  app.get('/users', handlers.list)
  app.post('/users', json, handlers.create)
  app.get('/users/:id', handlers.get)
  app.put('/users/:id', json, handlers.put)
  app.delete('/users/:id', handlers.delete)
  app.get('/external', handlers.external)
  app.get('/protected', authenticate, identify, (_request, response) => {
    response.json({ message: 'Access granted', user: 'bearer' })
  })
  app.post('/upload', form.single('file'), (request, response) => {
    if (!request.file) throw new Rejection(422, 'file: is missing')
    const { originalname, size, mimetype } = request.file
    response.json({ filename: originalname, size, content_type: mimetype })
  })

  for (const [path, router] of Object.entries(more)) app.use(path, router)

  app.use(() => {
    throw new Rejection(404, 'there is nothing here')
  })
  // Four parameters: that is how Express tells an error handler. Errors of its parsers have a status too.
  app.use((error, _request, response, _next) => {
    const status = error instanceof multer.MulterError ? 422 : error.status
    const expected = status >= 400 && status < 500
    if (!expected) console.error(error)
    if (status === 401) response.set('www-authenticate', 'Bearer')
    const body = { error: expected ? error.message : 'try again later' }
    response.status(expected ? status : 503).json(body)
  })
  return app
}

function authenticate(request, _response, next) {
  input.token(request.headers.authorization)
  next()
}

function identify(request, response, next) {
  const id = request.headers['x-request-id']
  if (id) response.set('x-request-id', id)
  next()
}
