// 13: a user from Postgres, from Redis and from the process. Handlers are promises in either style.

import { Router } from 'express'
import * as input from './input.js'
import { MOST_USERS } from './kept.js'
import { Rejection } from './rejection.js'
import * as sql from './sql.js'

export function cacheRoutes(store, places) {
  const router = Router()

  async function read(id) {
    const [user] = await store.rows(sql.USER, [id])
    if (!user) throw new Rejection(404, 'no such user')
    return user
  }

  router.post('/warmup', async (request, response) => {
    const users = await store.rows(sql.FIRST, [input.count(request.query.count, MOST_USERS)])
    for (const place of new Set(Object.values(places))) await place.put(users)
    response.json({ count: users.length })
  })
  router.get('/users/:id/no-cache', async (request, response) => {
    response.json({ source: 'database', user: await read(input.id(request.params.id)) })
  })
  router.get('/users/:id/:place', async (request, response) => {
    if (!Object.hasOwn(places, request.params.place)) throw new Rejection(404, 'there is no such cache')
    const place = places[request.params.place]
    const id = input.id(request.params.id)
    const kept = await place.get(id)
    if (kept) return response.json({ source: 'cache', user: kept })
    const user = await read(id)
    await place.put([user])
    response.json({ source: 'database', user })
  })
  return router
}
