// The pool, and what Postgres says as what is answered.

import pg from 'pg'
import { Rejection } from './rejection.js'

// Ids are numbers without loss.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

const TAKEN = '23505'

// What Postgres refuses for what was asked, as an answer; anything else stays an error.
function refused(error) {
  return error.code === TAKEN ? new Rejection(409, 'the e-mail address is taken') : error
}

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
      throw refused(error)
    }
  }

  // The same without a promise: `then` is called with an error or with rows.
  rowsThen(statement, values, then) {
    this.#pool.query({ ...statement, values }, (error, result) => {
      if (error) then(refused(error))
      else then(null, result.rows)
    })
  }

  close() {
    return this.#pool.end()
  }
}
