// Users who are kept for five minutes, in the process and as JSON in Redis. A change is seen in what is kept
// when those are over.

import { Injectable } from '@nestjs/common'
import type { OnApplicationShutdown } from '@nestjs/common'
import { Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import type { User } from './store.js'

const KEPT_SECONDS = 300
// Of a user not 2 KB: 20 MB at most.
export const MOST_USERS = 10_000
// More than the 100 ms for which a CPU quota may hold either side.
const REDIS_MS = 1000

// From Redis the moment is text, as it is answered.
export type KeptUser = Omit<User, 'created_at'> & { created_at: Date | string }

interface Place {
  get(id: number): Promise<KeptUser | undefined>
  put(users: User[]): Promise<void>
  close(): void
}

class InProcess implements Place {
  readonly #users = new LRUCache<number, User>({ max: MOST_USERS, ttl: KEPT_SECONDS * 1000 })

  async get(id: number): Promise<KeptUser | undefined> {
    return this.#users.get(id)
  }

  async put(users: User[]): Promise<void> {
    for (const user of users) this.#users.set(user.id, user)
  }

  close(): void {}
}

// Without Redis there is Postgres: what went wrong is told by the client's listener.
class InRedis implements Place {
  readonly #redis: Redis

  constructor(url: string) {
    // ioredis knows a socket by its path alone.
    this.#redis = new Redis(url.replace(/^unix:\/\//, ''), {
      connectTimeout: REDIS_MS,
      commandTimeout: REDIS_MS,
      maxRetriesPerRequest: 1,
    })
    this.#redis.on('error', (error) => console.error(`Redis is away: ${error.message}`))
  }

  async get(id: number): Promise<KeptUser | undefined> {
    try {
      const text = await this.#redis.get(key(id))
      return text === null ? undefined : JSON.parse(text)
    } catch {
      return undefined
    }
  }

  async put(users: User[]): Promise<void> {
    const together = this.#redis.pipeline()
    for (const user of users) together.set(key(user.id), JSON.stringify(user), 'EX', KEPT_SECONDS)
    // It says of each command by itself whether it failed.
    await together.exec()
  }

  close(): void {
    this.#redis.disconnect()
  }
}

function key(id: number): string {
  return `user:${id}`
}

@Injectable()
export class Kept implements OnApplicationShutdown {
  // By the name that the routes have.
  readonly #places: Map<string, Place>

  constructor(redisUrl: string) {
    this.#places = new Map<string, Place>([['process', new InProcess()]])
    if (redisUrl) {
      const redis = new InRedis(redisUrl)
      this.#places.set('redis', redis).set('cached', redis)
    }
  }

  place(name: string): Place | undefined {
    return this.#places.get(name)
  }

  async put(users: User[]): Promise<void> {
    for (const place of new Set(this.#places.values())) await place.put(users)
  }

  onApplicationShutdown(): void {
    for (const place of this.#places.values()) place.close()
  }
}
