// Wires: environment, Postgres, Redis, socket, signals.

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createApp } from './app.js'
import { authRoutes } from './auth.js'
import { cacheRoutes } from './cache.js'
import { withCallbacks, withPromises } from './handlers.js'
import { places } from './kept.js'
import { Store } from './store.js'

const KEEP_ALIVE_MS = 90_000
const STYLES = { async: withPromises, callback: withCallbacks }

function number(name, otherwise, least, most) {
  const value = Number(process.env[name] || otherwise)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`${name}=${process.env[name]}: a whole number from ${least} to ${most} is allowed`)
}

// Who has it may sign tokens. One that is made here is this process's alone.
function secret() {
  const value = process.env.JWT_SECRET || randomBytes(32).toString('hex')
  if (Buffer.byteLength(value) >= 32) return value
  throw new Error('JWT_SECRET: at least 32 bytes are asked of a key for HS256')
}

const style = process.env.STYLE || 'async'
if (!Object.hasOwn(STYLES, style)) throw new Error(`STYLE=${style}: async or callback is allowed`)
const store = new Store({ connections: number('DATABASE_CONNECTIONS', 18, 1, 1000) })
const kept = places(process.env.REDIS_URL)
const app = createApp(STYLES[style](store), {
  '/cache': cacheRoutes(store, kept),
  '/auth': authRoutes(store, secret()),
})
const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app)
const port = number('PORT', 9999, 1, 65_535)

// Stops accepting, closes idle connections and answers what has begun. Every 201 is committed already.
function stop() {
  server.close(() => {
    for (const place of Object.values(kept)) place.close()
    store.close()
  })
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)

server.listen({ port, host: '0.0.0.0', backlog: 4096 }, () => console.log(`listening on ${port}`))
