// 15: a token that proves itself, by @nestjs/jwt, and one that is a row in Postgres.

import { randomBytes } from 'node:crypto'
import { Controller, Get, HttpCode, NotFoundException, Post, Query, Req, UseGuards } from '@nestjs/common'
import { UnauthorizedException } from '@nestjs/common'
import { JwtService } from '@nestjs/jwt'
import { AnyTokenGuard, type Authorized, JwtGuard } from './guards.js'
import { IdPipe } from './input.js'
import * as sql from './sql.js'
import { Store, type User } from './store.js'

const SESSION_BYTES = 32
const MESSAGE = 'Access granted'

@Controller('auth')
export class AuthController {
  constructor(
    private readonly store: Store,
    private readonly jwt: JwtService,
  ) {}

  @Get('public')
  public() {
    return { message: 'public' }
  }

  @Post('login/jwt')
  @HttpCode(200)
  async loginJwt(@Query('user_id', IdPipe) id: number) {
    const [user] = await this.store.rows(sql.USER, [id])
    if (!user) throw new NotFoundException('no such user')
    // A subject is a string (RFC 7519, 4.1.2).
    return login(await this.jwt.signAsync({ sub: String(user.id) }))
  }

  @Post('login/session')
  @HttpCode(200)
  async loginSession(@Query('user_id', IdPipe) id: number) {
    const token = randomBytes(SESSION_BYTES).toString('base64url')
    const made = await this.store.rows(sql.NEW_SESSION, [token, id])
    if (made.length === 0) throw new NotFoundException('no such user')
    return login(token)
  }

  @Get('protected/jwt')
  @UseGuards(JwtGuard)
  byJwt(@Req() request: Authorized) {
    return { user_id: request.subject, message: MESSAGE }
  }

  @Get('protected/jwt-user')
  @UseGuards(JwtGuard)
  async byJwtWithUser(@Req() request: Authorized) {
    return granted(await this.store.rows(sql.USER, [request.subject]))
  }

  @Get('protected/session')
  @UseGuards(AnyTokenGuard)
  async bySession(@Req() request: Authorized) {
    return granted(await this.store.rows(sql.OF_SESSION, [request.token]))
  }
}

function login(token: string) {
  return { access_token: token, token_type: 'bearer' }
}

function granted([user]: User[]) {
  if (!user) throw new UnauthorizedException('a valid token is needed')
  return { user_id: user.id, message: MESSAGE, user }
}
