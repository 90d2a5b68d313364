// What a request to /protected passes: a guard for the token, an interceptor for the id of the request; and
// the guards of /auth. They are the same on either platform.

import { Injectable, UnauthorizedException } from '@nestjs/common'
import type { CallHandler, CanActivate, ExecutionContext, NestInterceptor } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
import { JwtService } from '@nestjs/jwt'
import type { Observable } from 'rxjs'

const TOKEN_CHARACTERS = 10

interface Asked {
  headers: Record<string, string | undefined>
}

@Injectable()
export class TokenGuard implements CanActivate {
  constructor(private readonly host: HttpAdapterHost) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp()
    const [scheme, value = ''] = (http.getRequest<Asked>().headers.authorization ?? '').split(' ')
    if (scheme.toLowerCase() === 'bearer' && value.length >= TOKEN_CHARACTERS) return true
    this.host.httpAdapter.setHeader(http.getResponse(), 'www-authenticate', 'Bearer')
    throw new UnauthorizedException('a token is needed')
  }
}

// What the guards of /auth leave for the handlers.
export interface Authorized extends Asked {
  token: string
  subject: number
}

// That there is a token; what it is worth Postgres knows.
@Injectable()
export class AnyTokenGuard implements CanActivate {
  constructor(protected readonly host: HttpAdapterHost) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Authorized>()
    const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ')
    if (scheme.toLowerCase() !== 'bearer' || value === '') throw this.refused(context)
    request.token = value
    return true
  }

  protected refused(context: ExecutionContext): UnauthorizedException {
    this.host.httpAdapter.setHeader(context.switchToHttp().getResponse(), 'www-authenticate', 'Bearer')
    return new UnauthorizedException('a valid token is needed')
  }
}

// Whose the token is, unless it was altered, has expired or was signed by anybody else, or by nobody.
@Injectable()
export class JwtGuard extends AnyTokenGuard {
  constructor(
    host: HttpAdapterHost,
    private readonly jwt: JwtService,
  ) {
    super(host)
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    await super.canActivate(context)
    const request = context.switchToHttp().getRequest<Authorized>()
    let claims: { sub?: unknown; exp?: unknown }
    try {
      claims = await this.jwt.verifyAsync(request.token)
    } catch {
      throw this.refused(context)
    }
    const { sub, exp } = claims
    const good = typeof exp === 'number' && typeof sub === 'string' && /^[0-9]{1,15}$/.test(sub)
    if (!good) throw this.refused(context)
    request.subject = Number(sub)
    return true
  }
}

@Injectable()
export class RequestIdInterceptor implements NestInterceptor {
  constructor(private readonly host: HttpAdapterHost) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp()
    const id = http.getRequest<Asked>().headers['x-request-id']
    if (id) this.host.httpAdapter.setHeader(http.getResponse(), 'x-request-id', id)
    return next.handle()
  }
}
