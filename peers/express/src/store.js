// People in Postgres. Every statement has a name, by which pg prepares it once a connection.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const DATE = pg.types.builtins.DATE
// A date comes back as the text that was sent, and not as midnight in some time zone.
pg.types.setTypeParser(DATE, (text) => text)

// Any number that both replicas use and nobody else does.
const SCHEMA_LOCK = 20230803
const RETRY_EVERY_MS = 250

// A search looks at one column with all texts in lower case, separated by a character that nobody types,
// under a trigram index. GiST and not GIN: GIN makes each insertion far dearer. A signature is 256 bytes long
// because a person has some 250 trigrams, which would fill shorter ones: tried with 64, a search costs 2.9 ms
// instead of 0.33. array_to_string is only "stable", hence the function.
const SCHEMA = `
  CREATE EXTENSION IF NOT EXISTS pg_trgm;

  CREATE OR REPLACE FUNCTION pessoa_busca(apelido text, nome text, stack text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN lower(concat_ws(E'\\x1f', apelido, nome, array_to_string(stack, E'\\x1f')));

  CREATE TABLE IF NOT EXISTS pessoas (
    id         uuid PRIMARY KEY,
    apelido    text COLLATE "C" NOT NULL UNIQUE,
    nome       text NOT NULL,
    nascimento date NOT NULL,
    stack      text[],
    busca      text NOT NULL GENERATED ALWAYS AS (pessoa_busca(apelido, nome, stack)) STORED
  );

  CREATE INDEX IF NOT EXISTS pessoas_busca ON pessoas USING gist (busca gist_trgm_ops (siglen = 256));
`

const INSERT = {
  name: 'insert',
  text: `INSERT INTO pessoas (id, apelido, nome, nascimento, stack) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (apelido) DO NOTHING`,
}
const BY_ID = {
  name: 'by-id',
  text: 'SELECT id, apelido, nome, nascimento, stack FROM pessoas WHERE id = $1',
}
const SEARCH = {
  name: 'search',
  text: 'SELECT id, apelido, nome, nascimento, stack FROM pessoas WHERE busca LIKE lower($1) LIMIT 50',
}
const COUNT = { name: 'count', text: 'SELECT count(*) FROM pessoas' }

export class Store {
  #pool

  // Where Postgres is, pg reads from libpq's variables: PGHOST, PGUSER, PGDATABASE.
  constructor({ connections }) {
    this.#pool = new pg.Pool({
      max: connections,
      idleTimeoutMillis: 0,
      // For a free connection. Below the balancer's 60 s, so that a late answer is ours.
      connectionTimeoutMillis: 50_000,
    })
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.#pool.on('error', (error) => console.error(`a connection broke: ${error.message}`))
  }

  // Waits for Postgres and makes the schema; of two replicas that start at once one waits for the other.
  async migrate(signal) {
    for (;;) {
      try {
        // Without parameters, so that they are sent together: then they are one transaction.
        return await this.#pool.query(`SELECT pg_advisory_xact_lock(${SCHEMA_LOCK}); ${SCHEMA}`)
      } catch (error) {
        console.error(`no schema yet: ${error.message}`)
        await sleep(RETRY_EVERY_MS, undefined, { signal })
      }
    }
  }

  // False if the apelido is taken.
  async insert({ id, apelido, nome, nascimento, stack }) {
    const { rowCount } = await this.#pool.query(INSERT, [id, apelido, nome, nascimento, stack])
    return rowCount === 1
  }

  async byId(id) {
    const { rows } = await this.#pool.query(BY_ID, [id])
    return rows[0]
  }

  async search(term) {
    const { rows } = await this.#pool.query(SEARCH, [`%${term.replace(/[\\%_]/g, '\\$&')}%`])
    return rows
  }

  async count() {
    const { rows } = await this.#pool.query(COUNT)
    return rows[0].count
  }

  close() {
    return this.#pool.end()
  }
}
