// The application on either platform: the same controllers, guards, pipes and store.

import { type DynamicModule, type INestApplication, Module, ValidationPipe } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FileInterceptor as ofExpress, type NestExpressApplication } from '@nestjs/platform-express'
import { JwtModule } from '@nestjs/jwt'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { FileInterceptor as ofFastify } from '@nestjs/platform-fastify/multipart'
import { AuthController } from './auth.js'
import { CacheController } from './cache.js'
import { Kept } from './kept.js'
import type { Settings } from './settings.js'
import { Store } from './store.js'
import { TasksController } from './tasks.js'
import { uploadWith } from './upload.js'
import { UsersController } from './users.js'

const JSON_BYTES = 64 * 1024
const KEEP_ALIVE_MS = 90_000

@Module({})
class AppModule {
  static with({ adapter, connections, redisUrl, secret }: Omit<Settings, 'port'>): DynamicModule {
    const upload = uploadWith(adapter === 'express' ? ofExpress : ofFastify)
    return {
      module: AppModule,
      imports: [
        JwtModule.register({
          secret,
          signOptions: { algorithm: 'HS256', expiresIn: '1h' },
          verifyOptions: { algorithms: ['HS256'] },
        }),
      ],
      controllers: [TasksController, UsersController, upload, CacheController, AuthController],
      providers: [
        { provide: Store, useFactory: () => new Store(connections) },
        { provide: Kept, useFactory: () => new Kept(redisUrl) },
      ],
    }
  }
}

export async function createApp(settings: Omit<Settings, 'port'>): Promise<INestApplication> {
  const module = AppModule.with(settings)
  const app = settings.adapter === 'express' ? await onExpress(module) : await onFastify(module)
  app.useGlobalPipes(new ValidationPipe({ errorHttpStatusCode: 422 }))
  // On a signal: stops accepting, answers what has begun, closes the pool. Every 201 is committed already.
  app.enableShutdownHooks()
  return app
}

async function onExpress(module: DynamicModule): Promise<INestApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    logger: ['error', 'warn'],
    bodyParser: false,
  })
  app.useBodyParser('json', { limit: JSON_BYTES })
  app.disable('x-powered-by')
  // Nobody asks again for what has not changed: a hash of each body would be for nothing.
  app.disable('etag')
  app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS
  return app
}

function onFastify(module: DynamicModule): Promise<INestApplication> {
  const adapter = new FastifyAdapter({ bodyLimit: JSON_BYTES, keepAliveTimeout: KEEP_ALIVE_MS })
  return NestFactory.create<NestFastifyApplication>(module, adapter, { logger: ['error', 'warn'] })
}
