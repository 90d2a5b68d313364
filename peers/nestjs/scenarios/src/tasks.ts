// The tasks that need no database.

import { setTimeout as sleep } from 'node:timers/promises'
import { Body, Controller, Get, HttpCode, Post, UseGuards, UseInterceptors } from '@nestjs/common'
import { RequestIdInterceptor, TokenGuard } from './guards.js'
import { EchoIn } from './input.js'

const EXTERNAL_MS = 100

@Controller()
export class TasksController {
  @Get('health')
  health() {
    return { status: 'ok', server: 'nestjs' }
  }

  @Post('echo')
  @HttpCode(200)
  echo(@Body() { message, data }: EchoIn) {
    return { message, data }
  }

  @Get('external')
  async external() {
    const started = performance.now()
    await sleep(EXTERNAL_MS)
    return { source: 'external', latency_ms: performance.now() - started, data: { status: 'ok' } }
  }

  @Get('protected')
  @UseGuards(TokenGuard)
  @UseInterceptors(RequestIdInterceptor)
  protected() {
    return { message: 'Access granted', user: 'bearer' }
  }
}
