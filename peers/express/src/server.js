// Wires: environment, Postgres, socket, signals.

import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createApp } from './app.js'
import { Store } from './store.js'

// Longer than the balancer keeps an idle connection, so that none is closed under a request.
const KEEP_ALIVE_MS = 90_000

const listen = process.env.LISTEN ?? '/run/pouco/api1.sock'
const connections = Number(process.env.DATABASE_CONNECTIONS ?? 9)
if (!Number.isInteger(connections) || connections < 1) {
  throw new Error(`DATABASE_CONNECTIONS=${process.env.DATABASE_CONNECTIONS}: a whole number from 1 on is allowed`)
}
const store = new Store({ connections })
const stopping = new AbortController()
const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, createApp(store))

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
  // A killed process leaves its socket behind. The balancer has the same group.
  rmSync(listen, { force: true })
  server.listen({ path: listen, backlog: 4096 }, () => {
    chmodSync(listen, 0o660)
    console.log(`listening on ${listen}`)
  })
}
