// What is sent: bodies, checked by Nest's ValidationPipe, and what it has no decorator for.

import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common'
import { UnprocessableEntityException } from '@nestjs/common'
import { Type } from 'class-transformer'
import { IsArray, IsEmail, IsObject, IsString, Length, MaxLength } from 'class-validator'
import { ValidateBy, ValidateNested } from 'class-validator'
import { MOST_USERS } from './kept.js'

const NAME_CHARACTERS = 100
const EMAIL_CHARACTERS = 254

function IsNumberOrString(): PropertyDecorator {
  const validate = (value: unknown) => ['number', 'string'].includes(typeof value)
  const defaultMessage = () => 'timestamp: expected a number or a string'
  return ValidateBy({ name: 'isNumberOrString', validator: { validate, defaultMessage } })
}

export class EchoData {
  @IsArray()
  items!: unknown[]

  @IsObject()
  nested!: object
}

export class EchoIn {
  @IsString()
  message!: string

  @IsNumberOrString()
  timestamp!: number | string

  // An array of them would be one, too.
  @IsObject()
  @ValidateNested()
  @Type(() => EchoData)
  data!: EchoData
}

export class UserIn {
  @IsString()
  @Length(1, NAME_CHARACTERS)
  name!: string

  @IsEmail()
  @MaxLength(EMAIL_CHARACTERS)
  email!: string
}

// ParseIntPipe would take a sign, and numbers that are no integers of Postgres.
@Injectable()
export class IdPipe implements PipeTransform<string, number> {
  transform(text: string, _metadata: ArgumentMetadata): number {
    const value = Number(text)
    if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value)) return value
    throw new UnprocessableEntityException('id: expected a number')
  }
}

// How many, of the query: 1,000 by default.
@Injectable()
export class CountPipe implements PipeTransform<string | undefined, number> {
  transform(text = '1000', _metadata: ArgumentMetadata): number {
    const value = Number(text)
    if (/^[0-9]{1,15}$/.test(text) && value >= 1 && value <= MOST_USERS) return value
    throw new UnprocessableEntityException(`count: expected a number up to ${MOST_USERS}`)
  }
}
