// 13: a user from Postgres, from Redis and from the process.

import { Controller, Get, HttpCode, NotFoundException, Param, Post, Query } from '@nestjs/common'
import { CountPipe, IdPipe } from './input.js'
import { Kept, type KeptUser } from './kept.js'
import * as sql from './sql.js'
import { Store, type User } from './store.js'

interface Sourced {
  source: 'database' | 'cache'
  user: KeptUser
}

@Controller('cache')
export class CacheController {
  constructor(
    private readonly store: Store,
    private readonly kept: Kept,
  ) {}

  @Post('warmup')
  @HttpCode(200)
  async warmUp(@Query('count', CountPipe) count: number) {
    const users = await this.store.rows(sql.FIRST, [count])
    await this.kept.put(users)
    return { count: users.length }
  }

  @Get('users/:id/no-cache')
  async notCached(@Param('id', IdPipe) id: number): Promise<Sourced> {
    return { source: 'database', user: await this.stored(id) }
  }

  @Get('users/:id/:place')
  async cached(@Param('id', IdPipe) id: number, @Param('place') name: string): Promise<Sourced> {
    const place = this.kept.place(name)
    if (!place) throw new NotFoundException('there is no such cache')
    const kept = await place.get(id)
    if (kept) return { source: 'cache', user: kept }
    const user = await this.stored(id)
    await place.put([user])
    return { source: 'database', user }
  }

  private async stored(id: number): Promise<User> {
    const [user] = await this.store.rows(sql.USER, [id])
    if (!user) throw new NotFoundException('no such user')
    return user
  }
}
