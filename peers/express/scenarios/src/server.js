// Wires: environment, Postgres, socket, signals.

import { createServer } from 'node:http'
import { createApp } from './app.js'
import { withCallbacks, withPromises } from './handlers.js'
import { Store } from './store.js'

const KEEP_ALIVE_MS = 90_000
const STYLES = { async: withPromises, callback: withCallbacks }

function number(name, otherwise, least, most) {
  const value = Number(process.env[name] || otherwise)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`${name}=${process.env[name]}: a whole number from ${least} to ${most} is allowed`)
}

const style = process.env.STYLE || 'async'
if (!Object.hasOwn(STYLES, style)) throw new Error(`STYLE=${style}: async or callback is allowed`)
const store = new Store({ connections: number('DATABASE_CONNECTIONS', 18, 1, 1000) })
const app = createApp(STYLES[style](store))
const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app)
const port = number('PORT', 9999, 1, 65_535)

// Stops accepting, closes idle connections and answers what has begun. Every 201 is committed already.
function stop() {
  server.close(() => store.close())
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)

server.listen({ port, host: '0.0.0.0', backlog: 4096 }, () => console.log(`listening on ${port}`))
