// Files, read by the interceptor of the platform: multer's on Express, @fastify/multipart's on Fastify.

import { Controller, HttpCode, Post, type Type, UnprocessableEntityException } from '@nestjs/common'
import { type NestInterceptor, UploadedFile, UseInterceptors } from '@nestjs/common'

const LIMITS = { fileSize: 10 * 1024 * 1024, files: 1, fields: 10, parts: 11 }

interface Uploaded {
  originalname: string
  size: number
  mimetype: string
}

type FileInterceptor = (field: string, options: { limits: typeof LIMITS }) => Type<NestInterceptor>

export function uploadWith(interceptor: FileInterceptor): Type {
  @Controller('upload')
  class UploadController {
    @Post()
    @HttpCode(200)
    @UseInterceptors(interceptor('file', { limits: LIMITS }))
    upload(@UploadedFile() file?: Uploaded) {
      if (!file) throw new UnprocessableEntityException('file: is missing')
      return { filename: file.originalname, size: file.size, content_type: file.mimetype }
    }
  }
  return UploadController
}
