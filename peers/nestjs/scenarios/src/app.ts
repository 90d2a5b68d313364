// The application on either platform: the same controllers, guards, pipes and store.

import { type DynamicModule, type INestApplication, Module, ValidationPipe } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FileInterceptor as ofExpress, type NestExpressApplication } from '@nestjs/platform-express'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { FileInterceptor as ofFastify } from '@nestjs/platform-fastify/multipart'
import type { Adapter } from './settings.js'
import { Store } from './store.js'
import { TasksController } from './tasks.js'
import { uploadWith } from './upload.js'
import { UsersController } from './users.js'

const JSON_BYTES = 64 * 1024
const KEEP_ALIVE_MS = 90_000

@Module({})
class AppModule {
  static on(adapter: Adapter, connections: number): DynamicModule {
    const upload = uploadWith(adapter === 'express' ? ofExpress : ofFastify)
    return {
      module: AppModule,
      controllers: [TasksController, UsersController, upload],
      providers: [{ provide: Store, useFactory: () => new Store(connections) }],
    }
  }
}

export async function createApp(adapter: Adapter, connections: number): Promise<INestApplication> {
  const module = AppModule.on(adapter, connections)
  const app = adapter === 'express' ? await onExpress(module) : await onFastify(module)
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
