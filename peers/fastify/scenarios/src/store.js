// The pool, and what Postgres says as what is answered.

import pg from 'pg'
import { Rejection } from './rejection.js'

// Ids are numbers without loss.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const TAKEN = '23505'

export class Store {
  #pool

  // Where Postgres is, pg reads from libpq's variables: PGHOST, PGUSER, PGDATABASE.
  constructor({ connections }) {
    this.#pool = new pg.Pool({ max: connections, idleTimeoutMillis: 0, connectionTimeoutMillis: 50_000 })
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.#pool.on('error', (error) => console.error(`a connection broke: ${error.message}`))
  }

  async rows(statement, values) {
    try {
      return (await this.#pool.query({ ...statement, values })).rows
    } catch (error) {
      throw error.code === TAKEN ? new Rejection(409, 'the e-mail address is taken') : error
    }
  }

  close() {
    return this.#pool.end()
  }
}
