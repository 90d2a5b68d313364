// 13: a user from Postgres, from Redis and from the process.

import { count } from './input.js'
import { MOST_USERS } from './kept.js'
import { Rejection } from './rejection.js'
import * as sql from './sql.js'

export function addCaches(app, of, read, store, places) {
  async function stored(id) {
    const [user] = await store.rows(sql.USER, [id])
    if (!user) throw new Rejection(404, 'no such user')
    return user
  }

  app.post('/cache/warmup', of('warmup'), async (request) => {
    const users = await store.rows(sql.FIRST, [count(request.query.count, MOST_USERS)])
    for (const place of new Set(Object.values(places))) await place.put(users)
    return { count: users.length }
  })
  app.get('/cache/users/:id/no-cache', of('cached'), async (request) => {
    return { source: 'database', user: await stored(read.id(request.params.id)) }
  })
  app.get('/cache/users/:id/:place', of('cached'), async (request) => {
    if (!Object.hasOwn(places, request.params.place)) throw new Rejection(404, 'there is no such cache')
    const place = places[request.params.place]
    const id = Number(read.id(request.params.id))
    const kept = await place.get(id)
    if (kept) return { source: 'cache', user: kept }
    const user = await stored(id)
    await place.put([user])
    return { source: 'database', user }
  })
}
