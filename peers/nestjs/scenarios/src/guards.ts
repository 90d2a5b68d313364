// What a request to /protected passes: a guard for the token, an interceptor for the id of the request. Both
// are the same on either platform.

import { Injectable, UnauthorizedException } from '@nestjs/common'
import type { CallHandler, CanActivate, ExecutionContext, NestInterceptor } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
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
