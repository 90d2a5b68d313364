// Routes, and the one place where an error becomes an answer.

import { isUtf8 } from 'node:buffer'
import express from 'express'
import * as input from './input.js'
import { Rejection } from './rejection.js'

const LIMIT = '64kb'

// The parser itself takes an empty body for {}, and puts U+FFFD in the place of what is no UTF-8.
function verify(_request, _response, body) {
  if (body.length === 0) throw new Rejection(400, 'the body is empty')
  if (!isUtf8(body)) throw new Rejection(400, 'the body is no UTF-8')
}

function empty(request, _response, next) {
  if (request.body === undefined) throw new Rejection(400, 'the body is empty')
  next()
}

// Whatever the content type says. What is JSON and no object is not a fault of the parser's.
const json = [express.json({ limit: LIMIT, strict: false, type: () => true, verify }), empty]
const plain = [express.text({ limit: LIMIT, type: () => true, verify }), empty]

// `ordering` changes stock: it is the store itself, or takes its place. `metrics` may be there.
export function createApp(store, ordering, accounts, metrics) {
  const app = express()
  app.disable('x-powered-by')
  // Nobody asks again for what has not changed: a hash of each body would be for nothing.
  app.disable('etag')
  if (metrics) {
    app.use(metrics.middleware)
    route(app, '/metrics', { get: metrics.tell })
  }

  route(app, '/', { get: (_request, response) => response.json({ message: 'inventory' }) })
  route(app, '/healthz', { get: (_request, response) => response.json({ status: 'ok' }) })

  const api = express.Router()
  app.use('/api/v1', api)
  route(api, '/auth/register', {
    post: [json, async (request, response) => {
      response.status(201).json(await accounts.register(input.registration(request.body)))
    }],
  })
  route(api, '/auth/login', {
    post: [plain, async (request, response) => {
      response.set('cache-control', 'no-store').json(await accounts.login(input.credentials(request.body)))
    }],
  })
  api.use(['/products', '/inventory', '/orders'], accounts.authenticate)
  products(api, store)
  stock(api, store, ordering)
  orders(api, store, ordering)

  app.use(() => {
    throw new Rejection(404, 'there is nothing here')
  })
  // Four parameters: that is how Express tells an error handler. Errors of its own parsers have a status too.
  app.use((error, _request, response, _next) => {
    const expected = error.status >= 400 && error.status < 500
    if (!expected) console.error(error)
    if (error.status === 401) response.set('www-authenticate', 'Bearer')
    if (!expected) response.set('retry-after', '1')
    const body = expected ? { error: error.message, field: error.field } : { error: 'try again later' }
    response.status(expected ? error.status : 503).json(body)
  })
  return app
}

function route(router, path, handlers) {
  const here = router.route(path)
  for (const [method, handler] of Object.entries(handlers)) here[method](handler)
  here.all((_request, response) => {
    response.set('allow', Object.keys(handlers).join(', ').toUpperCase())
    throw new Rejection(405, 'there is no such method here')
  })
}

function products(api, store) {
  route(api, '/products', {
    get: async (request, response) => {
      response.json(await store.products(input.page(request.query)))
    },
    post: [json, async (request, response) => {
      response.status(201).json(await store.addProduct(request.user, input.product(request.body)))
    }],
  })
  route(api, '/products/:id', {
    get: async (request, response) => {
      response.json(await store.product(input.id(request.params.id)))
    },
    put: [json, async (request, response) => {
      response.json(await store.changeProduct(input.id(request.params.id), input.change(request.body)))
    }],
    delete: async (request, response) => {
      response.json(await store.archiveProduct(input.id(request.params.id)))
    },
  })
}

function stock(api, store, ordering) {
  route(api, '/inventory', {
    get: async (request, response) => {
      response.json(await store.stock(input.page(request.query)))
    },
  })
  route(api, '/inventory/add', {
    post: [json, async (request, response) => {
      const { product, quantity } = input.quantity(request.body)
      response.json(await ordering.addStock(product, quantity))
    }],
  })
  route(api, '/inventory/remove', {
    post: [json, async (request, response) => {
      const { product, quantity } = input.quantity(request.body)
      response.json(await ordering.removeStock(product, quantity))
    }],
  })
}

function orders(api, store, ordering) {
  route(api, '/orders', {
    get: async (request, response) => {
      response.json(await store.orders(request.user, input.page(request.query)))
    },
    post: [json, async (request, response) => {
      const order = await ordering.placeOrder(request.user, input.order(request.body))
      response.status(201).location(`/api/v1/orders/${order.id}`).json(order)
    }],
  })
  route(api, '/orders/:id', {
    get: async (request, response) => {
      response.json(await store.order(request.user, input.id(request.params.id)))
    },
  })
}
