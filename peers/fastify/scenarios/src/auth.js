// 15: a token that proves itself, by @fastify/jwt, and one that is a row in Postgres.

import { randomBytes } from 'node:crypto'
import { bearer } from './input.js'
import { Rejection } from './rejection.js'
import * as sql from './sql.js'

const ALGORITHM = 'HS256'
const SESSION_BYTES = 32
const MESSAGE = 'Access granted'

export function jwtOptions(secret) {
  return {
    secret,
    sign: { algorithm: ALGORITHM, expiresIn: '1h' },
    verify: { algorithms: [ALGORITHM], requiredClaims: ['sub', 'exp'] },
  }
}

export function addAuth(app, of, read, store) {
  app.get('/auth/public', of('public'), async () => ({ message: 'public' }))
  app.post('/auth/login/jwt', of('login'), async (request) => {
    const [user] = await store.rows(sql.USER, [read.id(request.query.user_id)])
    if (!user) throw new Rejection(404, 'no such user')
    // A subject is a string (RFC 7519, 4.1.2).
    return login(app.jwt.sign({ sub: String(user.id) }))
  })
  app.post('/auth/login/session', of('login'), async (request) => {
    const token = randomBytes(SESSION_BYTES).toString('base64url')
    const made = await store.rows(sql.NEW_SESSION, [token, read.id(request.query.user_id)])
    if (made.length === 0) throw new Rejection(404, 'no such user')
    return login(token)
  })
  app.get('/auth/protected/jwt', of('granted'), async (request) => {
    return { user_id: await subject(request), message: MESSAGE }
  })
  app.get('/auth/protected/jwt-user', of('grantedUser'), async (request) => {
    return granted(await store.rows(sql.USER, [await subject(request)]))
  })
  app.get('/auth/protected/session', of('grantedUser'), async (request) => {
    return granted(await store.rows(sql.OF_SESSION, [bearer(request.headers.authorization)]))
  })
}

function login(token) {
  return { access_token: token, token_type: 'bearer' }
}

function granted([user]) {
  if (!user) throw refused()
  return { user_id: user.id, message: MESSAGE, user }
}

// Whose the token is, unless it was altered, has expired or was signed by anybody else, or by nobody.
async function subject(request) {
  let claims
  try {
    claims = await request.jwtVerify()
  } catch {
    throw refused()
  }
  if (!/^[0-9]{1,15}$/.test(claims.sub)) throw refused()
  return Number(claims.sub)
}

function refused() {
  return new Rejection(401, 'a valid token is needed')
}
