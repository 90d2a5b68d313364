// What the environment sets. A value that is not allowed ends the start, with a sentence that names it.

import { randomBytes } from 'node:crypto'

function number(name: string, otherwise: number, least: number, most: number): number {
  const value = Number(process.env[name] || otherwise)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`${name}=${process.env[name]}: a whole number from ${least} to ${most} is allowed`)
}

export const ADAPTERS = ['express', 'fastify'] as const
export type Adapter = (typeof ADAPTERS)[number]

function adapter(): Adapter {
  const word = process.env.ADAPTER || ADAPTERS[0]
  const found = ADAPTERS.find((it) => it === word)
  if (found) return found
  throw new Error(`ADAPTER=${word}: ${ADAPTERS.join(' or ')} is allowed`)
}

// Who has it may sign tokens. One that is made here is this process's alone.
function secret(): string {
  const value = process.env.JWT_SECRET || randomBytes(32).toString('hex')
  if (Buffer.byteLength(value) >= 32) return value
  throw new Error('JWT_SECRET: at least 32 bytes are asked of a key for HS256')
}

export interface Settings {
  adapter: Adapter
  port: number
  connections: number
  // None where it is empty.
  redisUrl: string
  secret: string
}

export function settings(): Settings {
  return {
    adapter: adapter(),
    port: number('PORT', 9999, 1, 65_535),
    connections: number('DATABASE_CONNECTIONS', 18, 1, 1000),
    redisUrl: process.env.REDIS_URL || '',
    secret: secret(),
  }
}
