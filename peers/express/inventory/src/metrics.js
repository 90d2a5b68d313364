// What GET /metrics tells where METRICS is on: requests, statements, and the process itself. Imported only
// then. Labels are words of this program: no client can add a series.

import { Counter, Gauge, Histogram, collectDefaultMetrics, register } from 'prom-client'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const BY_ID = /^(\/api\/v1\/(?:products|orders))\/[^/]+$/
const OTHER = 'other'
const ENDPOINTS = new Set([
  '/',
  '/healthz',
  '/api/v1/auth/register',
  '/api/v1/auth/login',
  '/api/v1/products',
  '/api/v1/products/{id}',
  '/api/v1/inventory',
  '/api/v1/inventory/add',
  '/api/v1/inventory/remove',
  '/api/v1/orders',
  '/api/v1/orders/{id}',
])

// A path with its id as a name, and without the slash at its end.
export function endpointOf(path) {
  const whole = path.length > 1 ? path.replace(/\/$/, '') : path
  const named = whole.replace(BY_ID, '$1/{id}')
  return ENDPOINTS.has(named) ? named : OTHER
}

const lengthOf = (text) => Number.parseInt(text, 10) || 0

export class Metrics {
  #requests
  #latency
  #underWay
  #taken
  #given
  #statements

  // `connections` tells how many there are to Postgres, by state.
  constructor(connections) {
    collectDefaultMetrics()
    const labelNames = ['method', 'endpoint', 'status_code']
    this.#requests = new Counter({
      name: 'node_app_request_count', help: 'Requests that were answered.', labelNames,
    })
    this.#latency = new Histogram({
      name: 'node_app_request_latency_seconds', help: 'Until the whole answer.', labelNames, buckets: BUCKETS,
    })
    this.#statements = new Histogram({
      name: 'node_app_db_query_duration_seconds',
      help: 'Of a statement in Postgres, the wait for a connection in it, by its name.',
      labelNames: ['operation'],
      buckets: BUCKETS,
    })
    this.#underWay = new Gauge({ name: 'node_app_concurrent_requests', help: 'Requests under way.' })
    this.#taken = new Counter({ name: 'node_app_request_bytes_total', help: "Bytes of requests' bodies." })
    this.#given = new Counter({ name: 'node_app_response_bytes_total', help: "Bytes of answers' bodies." })
    new Gauge({
      name: 'node_app_uptime_seconds',
      help: 'Since the start of the process.',
      collect() {
        this.set(process.uptime())
      },
    })
    new Gauge({
      name: 'node_app_db_connections',
      help: 'Connections to Postgres, and who waits for one.',
      labelNames: ['state'],
      collect() {
        for (const [state, count] of Object.entries(connections())) this.set({ state }, count)
      },
    })
  }

  // Before all routes.
  middleware = (request, response, next) => {
    const began = performance.now()
    const endpoint = endpointOf(request.path)
    if (endpoint === OTHER && request.path === '/metrics') return next()
    this.#underWay.inc()
    // Also where the client went away before its answer.
    response.once('close', () => {
      const method = METHODS.has(request.method) ? request.method : OTHER
      const labels = { method, endpoint, status_code: response.statusCode }
      this.#underWay.dec()
      this.#requests.inc(labels)
      this.#latency.observe(labels, (performance.now() - began) / 1000)
      this.#taken.inc(lengthOf(request.headers['content-length']))
      this.#given.inc(lengthOf(response.getHeader('content-length')))
    })
    next()
  }

  tell = async (_request, response) => {
    response.set('content-type', register.contentType).send(await register.metrics())
  }

  statement(name, began) {
    this.#statements.observe({ operation: name }, (performance.now() - began) / 1000)
  }
}
