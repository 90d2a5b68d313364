// Users who are kept for five minutes, in the process and as JSON in Redis. A change is seen in what is kept
// when those are over.

import { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'

const KEPT_SECONDS = 300
// Of a user not 2 KB: 20 MB at most.
export const MOST_USERS = 10_000
// More than the 100 ms for which a CPU quota may hold either side.
const REDIS_MS = 1000

export class InProcess {
  #users = new LRUCache({ max: MOST_USERS, ttl: KEPT_SECONDS * 1000 })

  async get(id) {
    return this.#users.get(id)
  }

  async put(users) {
    for (const user of users) this.#users.set(user.id, user)
  }

  close() {}
}

// Without Redis there is Postgres: what went wrong is told by the client's listener.
export class InRedis {
  #redis

  constructor(url) {
    // ioredis knows a socket by its path alone.
    this.#redis = new Redis(url.replace(/^unix:\/\//, ''), {
      connectTimeout: REDIS_MS,
      commandTimeout: REDIS_MS,
      maxRetriesPerRequest: 1,
    })
    this.#redis.on('error', (error) => console.error(`Redis is away: ${error.message}`))
  }

  async get(id) {
    try {
      const text = await this.#redis.get(key(id))
      return text === null ? undefined : JSON.parse(text)
    } catch {
      return undefined
    }
  }

  async put(users) {
    const together = this.#redis.pipeline()
    for (const user of users) together.set(key(user.id), JSON.stringify(user), 'EX', KEPT_SECONDS)
    // It says of each command by itself whether it failed.
    await together.exec()
  }

  close() {
    this.#redis.disconnect()
  }
}

function key(id) {
  return `user:${id}`
}

// By the name that the routes have.
export function places(redisUrl) {
  const redis = redisUrl ? new InRedis(redisUrl) : undefined
  return { process: new InProcess(), ...(redis && { redis, cached: redis }) }
}
