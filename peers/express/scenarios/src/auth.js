// 15: a token that proves itself, and one that is a row in Postgres. Handlers are promises in either style.

import { randomBytes } from 'node:crypto'
import { Router } from 'express'
import jwt from 'jsonwebtoken'
import * as input from './input.js'
import { Rejection } from './rejection.js'
import * as sql from './sql.js'

const ALGORITHM = 'HS256'
const LIFETIME_SECONDS = 3600
const SESSION_BYTES = 32
const MESSAGE = 'Access granted'

export function authRoutes(store, secret) {
  const router = Router()

  router.get('/public', (_request, response) => response.json({ message: 'public' }))
  router.post('/login/jwt', async (request, response) => {
    const [user] = await store.rows(sql.USER, [input.id(request.query.user_id)])
    if (!user) throw new Rejection(404, 'no such user')
    // A subject is a string (RFC 7519, 4.1.2).
    const options = { algorithm: ALGORITHM, subject: String(user.id), expiresIn: LIFETIME_SECONDS }
    response.json(login(jwt.sign({}, secret, options)))
  })
  router.post('/login/session', async (request, response) => {
    const token = randomBytes(SESSION_BYTES).toString('base64url')
    const made = await store.rows(sql.NEW_SESSION, [token, input.id(request.query.user_id)])
    if (made.length === 0) throw new Rejection(404, 'no such user')
    response.json(login(token))
  })
  router.get('/protected/jwt', (request, response) => {
    response.json({ user_id: subject(request, secret), message: MESSAGE })
  })
  router.get('/protected/jwt-user', async (request, response) => {
    response.json(granted(await store.rows(sql.USER, [subject(request, secret)])))
  })
  router.get('/protected/session', async (request, response) => {
    response.json(granted(await store.rows(sql.OF_SESSION, [input.bearer(request.headers.authorization)])))
  })
  return router
}

function login(token) {
  return { access_token: token, token_type: 'bearer' }
}

function granted([user]) {
  if (!user) throw refused()
  return { user_id: user.id, message: MESSAGE, user }
}

// Whose the token is, unless it was altered, has expired or was signed by anybody else, or by nobody.
function subject(request, secret) {
  let claims
  try {
    claims = jwt.verify(input.bearer(request.headers.authorization), secret, { algorithms: [ALGORITHM] })
  } catch {
    throw refused()
  }
  if (typeof claims.exp !== 'number' || !/^[0-9]{1,15}$/.test(claims.sub)) throw refused()
  return Number(claims.sub)
}

function refused() {
  return new Rejection(401, 'a valid token is needed')
}
