// What /metrics tells, and what no client can make it tell.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import test from 'node:test'
import { createApp } from '../src/app.js'
import { endpointOf, Metrics } from '../src/metrics.js'

test('a path is a template, or other', () => {
  for (const [path, endpoint] of [
    ['/', '/'],
    ['/healthz/', '/healthz'],
    ['/api/v1/products/', '/api/v1/products'],
    ['/api/v1/products/7', '/api/v1/products/{id}'],
    ['/api/v1/orders/made-up/', '/api/v1/orders/{id}'],
    ['/api/v1/inventory/7', 'other'],
    ['/api/v1/products/7/8', 'other'],
    ['/metrics', 'other'],
  ]) assert.equal(endpointOf(path), endpoint, path)
})

test('requests, statements and the process are told', async (context) => {
  const metrics = new Metrics(() => ({ used: 1, idle: 2, waiting: 0 }))
  const nobody = { authenticate: (_request, response) => response.status(401).json({ error: 'who?' }) }
  const server = createServer(createApp({}, {}, nobody, metrics))
  context.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${server.address().port}`
  const ask = async (path) => (await fetch(base + path, { headers: { connection: 'close' } })).text()
  await ask('/api/v1/products/7')
  await ask('/made/up')
  metrics.statement('place-order', performance.now() - 20)
  // An answer is counted a moment after its client has it.
  let text = ''
  while (!text.includes('endpoint="other"')) text = await ask('/metrics')
  for (const sample of [
    'node_app_request_count{method="GET",endpoint="/api/v1/products/{id}",status_code="401"} 1',
    'node_app_request_count{method="GET",endpoint="other",status_code="404"} 1',
    'node_app_db_query_duration_seconds_count{operation="place-order"} 1',
    'node_app_db_connections{state="idle"} 2',
    'node_app_concurrent_requests 0',
    'nodejs_eventloop_lag_seconds ',
    'nodejs_heap_size_used_bytes ',
    'process_cpu_seconds_total ',
  ]) assert.ok(text.includes(sample), `${sample}: ${text}`)
  assert.ok(!text.includes('made'), text)
})

test('without it there is no such page', async (context) => {
  const server = createServer(createApp({}, {}, { authenticate: () => {} }))
  context.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/metrics`)
  await answer.text()
  assert.equal(answer.status, 404)
})
