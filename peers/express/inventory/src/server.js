// Wires: environment, Postgres, socket, signals.

import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { Accounts } from './accounts.js'
import { createApp } from './app.js'
import { OriginalStore } from './original.js'
import { Store } from './store.js'

// Longer than the balancer keeps an idle connection, so that none is closed under a request.
const KEEP_ALIVE_MS = 90_000

function number(name, otherwise, least, most) {
  const value = Number(process.env[name] || otherwise)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`${name}=${process.env[name]}: a whole number from ${least} to ${most} is allowed`)
}

// A path, or a port where there is a balancer on another machine.
const listen = process.env.LISTEN ?? '/run/pouco/api1.sock'
const mode = process.env.ORDERS || 'conditional'
if (!['conditional', 'original'].includes(mode)) {
  throw new Error(`ORDERS=${mode}: conditional or original is allowed`)
}
const wanted = process.env.METRICS || 'off'
if (!['off', 'on'].includes(wanted)) throw new Error(`METRICS=${wanted}: off or on is allowed`)
const secret = process.env.JWT_SECRET ?? ''
if (Buffer.byteLength(secret) < 32) throw new Error('JWT_SECRET: at least 32 bytes are needed')
const store = new Store({ connections: number('DATABASE_CONNECTIONS', 9, 1, 1000) })
const accounts = new Accounts(store, { secret, cost: number('BCRYPT_COST', 10, 4, 16) })
const ordering = mode === 'original' ? new OriginalStore(store) : store
// Where nobody asks for them, they must cost nothing.
const metrics = wanted === 'on' && new (await import('./metrics.js')).Metrics(() => store.connections())
if (metrics) store.observe = (name, began) => metrics.statement(name, began)
const stopping = new AbortController()
const app = createApp(store, ordering, accounts, metrics)
const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app)

// Stops accepting, closes idle connections and answers what has begun. Every 201 is committed already.
function stop() {
  stopping.abort()
  server.close(() => store.close())
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)

try {
  await store.migrate(stopping.signal)
} catch (error) {
  if (error.name !== 'AbortError') throw error
}
if (!stopping.signal.aborted) {
  if (/^\d+$/.test(listen)) {
    server.listen({ port: Number(listen), backlog: 4096 }, () => console.log(`listening on port ${listen}`))
  } else {
    // A killed process leaves its socket behind. The balancer has the same group.
    rmSync(listen, { force: true })
    server.listen({ path: listen, backlog: 4096 }, () => {
      chmodSync(listen, 0o660)
      console.log(`listening on ${listen}`)
    })
  }
}
