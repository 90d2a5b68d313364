// Stock and orders as the shop wrote them that this contest comes from: read, compare, write, each a
// statement of its own. Two requests that read the same number both take it; a later line that fails leaves
// what the first ones took; and a line costs what the client says. Here so that the report shows that this is
// found out.

import { Rejection } from './rejection.js'

export class OriginalStore {
  #store

  constructor(store) {
    this.#store = store
  }

  async addStock(product, quantity) {
    const item = await this.#store.stockOf(product)
    return this.#store.setStock(product, item.quantity + quantity)
  }

  async removeStock(product, quantity) {
    const item = await this.#store.stockOf(product)
    if (item.quantity < quantity) throw new Rejection(400, 'there is less in stock', 'quantity')
    return this.#store.setStock(product, item.quantity - quantity)
  }

  async placeOrder(customer, lines) {
    const priced = []
    for (const line of lines) {
      const { name, price } = await this.#store.product(line.product)
      const item = await this.#store.stockOf(line.product)
      if (item.quantity < line.quantity) {
        throw new Rejection(400, `product ${line.product} has ${item.quantity} in stock`, 'items')
      }
      await this.#store.setStock(line.product, item.quantity - line.quantity)
      priced.push({ ...line, name, unitPrice: line.unitPrice ?? price })
    }
    return this.#store.writeOrder(customer, priced)
  }
}
