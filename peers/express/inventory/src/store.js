// Users, products, stock and orders in Postgres. Every statement has a name, by which pg prepares it once a
// connection.

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Rejection } from './rejection.js'
import { SCHEMA } from './schema.js'
import * as sql from './sql.js'

const { INT8, NUMERIC } = pg.types.builtins
// Ids, quantities and amounts of up to twelve digits are numbers without loss.
pg.types.setTypeParser(INT8, Number)
pg.types.setTypeParser(NUMERIC, Number)

// Any number that both replicas use and nobody else does.
const SCHEMA_LOCK = 20261129
const RETRY_EVERY_MS = 250

const NO_PRODUCT = 'no such product'
const TAKEN = {
  users_email: ['is taken', 'email'],
  products_sku: ['another product has it', 'sku'],
}

// What Postgres refuses for what was asked, as an answer; anything else stays an error.
function refused(error) {
  if (error.code === '23505' && TAKEN[error.constraint]) return new Rejection(409, ...TAKEN[error.constraint])
  if (error.code === '22003') return new Rejection(422, 'the number is too large')
  if (error.code === '23503') return new Rejection(401, 'the account is gone')
  return error
}

export class Store {
  #pool

  // Told of each statement's name and beginning when it is over, where somebody wants to know.
  observe

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

  async #rows(statement, values) {
    const began = this.observe && performance.now()
    try {
      return (await this.#pool.query(statement, values)).rows
    } catch (error) {
      throw refused(error)
    } finally {
      this.observe?.(statement.name, began)
    }
  }

  async addUser(email, hash, fullName) {
    return (await this.#rows(sql.ADD_USER, [email, hash, fullName]))[0]
  }

  async userByEmail(email) {
    return (await this.#rows(sql.USER_BY_EMAIL, [email]))[0]
  }

  async addProduct(owner, { name, description, price, sku }) {
    return (await this.#rows(sql.ADD_PRODUCT, [name, description, price, sku, owner]))[0]
  }

  products({ after, skip, limit }) {
    return this.#rows(sql.PRODUCTS, [after, skip, limit])
  }

  async product(id) {
    return found(await this.#rows(sql.PRODUCT, [id]))
  }

  async changeProduct(id, { name, price, sku, describes, description }) {
    return found(await this.#rows(sql.CHANGE_PRODUCT, [id, name, price, sku, describes, description]))
  }

  async archiveProduct(id) {
    return found(await this.#rows(sql.ARCHIVE_PRODUCT, [id]))
  }

  stock({ after, skip, limit }) {
    return this.#rows(sql.STOCK, [after, skip, limit])
  }

  async addStock(product, quantity) {
    return found(await this.#rows(sql.ADD_STOCK, [product, quantity]), 'product_id')
  }

  async removeStock(product, quantity) {
    const [item] = await this.#rows(sql.REMOVE_STOCK, [product, quantity])
    if (item) return item
    await this.stockOf(product)
    throw new Rejection(400, 'there is less in stock', 'quantity')
  }

  async stockOf(product) {
    return found(await this.#rows(sql.STOCK_OF, [product]), 'product_id')
  }

  async setStock(product, quantity) {
    return found(await this.#rows(sql.SET_STOCK, [product, quantity]), 'product_id')
  }

  // One statement takes all of the stock and writes the order, or does nothing and says what there is.
  async placeOrder(customer, lines) {
    const values = [customer, lines.map((line) => line.product), lines.map((line) => line.quantity)]
    const rows = await this.#rows(sql.PLACE_ORDER, values)
    const missing = rows.find((row) => row.present === null)
    if (missing) throw new Rejection(404, `there is no product ${missing.product_id}`, 'items')
    const short = rows.find((row) => row.present < row.quantity)
    if (short) throw new Rejection(400, `product ${short.product_id} has ${short.present} in stock`, 'items')
    return grouped(rows)[0]
  }

  async writeOrder(customer, lines) {
    const total = lines.reduce((sum, line) => sum + line.unitPrice * line.quantity, 0)
    const [order] = await this.#rows(sql.WRITE_ORDER, [customer, total])
    for (const line of lines) {
      await this.#rows(sql.WRITE_LINE, [order.id, line.product, line.name, line.quantity, line.unitPrice])
    }
    return this.order(customer, order.id)
  }

  async orders(customer, { after, skip, limit }) {
    return grouped(await this.#rows(sql.ORDERS, [customer, after, skip, limit]))
  }

  async order(customer, id) {
    const [order] = grouped(await this.#rows(sql.ORDER, [id]))
    if (!order) throw new Rejection(404, 'no such order')
    if (order.customer_id !== Number(customer)) throw new Rejection(403, "the order is another customer's")
    return order
  }

  connections() {
    const { totalCount, idleCount, waitingCount } = this.#pool
    return { used: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
  }

  close() {
    return this.#pool.end()
  }
}

function found(rows, field) {
  if (rows.length === 0) throw new Rejection(404, NO_PRODUCT, field)
  return rows[0]
}

// Orders from rows of which each has one line, in the order of the orders.
function grouped(rows) {
  const orders = []
  let order
  for (const { id, customer_id, status, total_amount, created_at, updated_at, ...line } of rows) {
    if (order?.id !== id) {
      order = { id, customer_id, status, total_amount, created_at, updated_at, items: [] }
      orders.push(order)
    }
    const { product_id, name, quantity, unit_price } = line
    order.items.push({ id: order.items.length + 1, order_id: id, product_id, name, quantity, unit_price })
  }
  return orders
}
