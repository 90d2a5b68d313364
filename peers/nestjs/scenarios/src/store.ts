// The pool, and what Postgres says as what is answered.

import { ConflictException, Injectable, ServiceUnavailableException } from '@nestjs/common'
import type { OnApplicationShutdown } from '@nestjs/common'
import pg from 'pg'
import type { Statement } from './sql.js'

// Ids are numbers without loss.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const TAKEN = '23505'

export interface User {
  id: number
  name: string
  email: string
  created_at: Date
}

@Injectable()
export class Store implements OnApplicationShutdown {
  readonly #pool: pg.Pool

  // Where Postgres is, pg reads from libpq's variables: PGHOST, PGUSER, PGDATABASE.
  constructor(connections: number) {
    this.#pool = new pg.Pool({ max: connections, idleTimeoutMillis: 0, connectionTimeoutMillis: 50_000 })
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.#pool.on('error', (error) => console.error(`a connection broke: ${error.message}`))
  }

  async rows(statement: Statement, values?: unknown[]): Promise<User[]> {
    try {
      return (await this.#pool.query<User>({ ...statement, values })).rows
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === TAKEN) {
        throw new ConflictException('the e-mail address is taken')
      }
      console.error(error)
      throw new ServiceUnavailableException('try again later')
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.end()
  }
}
