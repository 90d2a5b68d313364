// Wires: environment, Postgres, Redis, socket, signals.

import { randomBytes } from 'node:crypto'
import { createApp } from './app.js'
import { places } from './kept.js'
import { Store } from './store.js'

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

const schema = process.env.SCHEMA || 'on'
if (!['on', 'off'].includes(schema)) throw new Error(`SCHEMA=${schema}: on or off is allowed`)
const port = number('PORT', 9999, 1, 65_535)
const store = new Store({ connections: number('DATABASE_CONNECTIONS', 18, 1, 1000) })
const app = createApp(store, {
  schemas: schema === 'on',
  places: places(process.env.REDIS_URL),
  secret: secret(),
})

// Stops accepting, closes idle connections and answers what has begun. Every 201 is committed already.
function stop() {
  app.close()
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)

await app.listen({ port, host: '0.0.0.0', backlog: 4096 })
console.log(`listening on ${port}`)
