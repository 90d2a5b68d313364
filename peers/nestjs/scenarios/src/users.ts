// Users: a prepared statement a request.

import { Body, Controller, Delete, Get, HttpCode, NotFoundException, Param, Post, Put } from '@nestjs/common'
import { IdPipe, UserIn } from './input.js'
import * as sql from './sql.js'
import { Store, type User } from './store.js'

function found(rows: User[]): User {
  if (rows.length === 0) throw new NotFoundException('no such user')
  return rows[0]
}

@Controller('users')
export class UsersController {
  constructor(private readonly store: Store) {}

  @Get()
  list() {
    return this.store.rows(sql.USERS)
  }

  @Post()
  async create(@Body() { name, email }: UserIn) {
    return found(await this.store.rows(sql.CREATE, [name, email]))
  }

  @Get(':id')
  async get(@Param('id', IdPipe) id: number) {
    return found(await this.store.rows(sql.USER, [id]))
  }

  @Put(':id')
  async put(@Param('id', IdPipe) id: number, @Body() { name, email }: UserIn) {
    return found(await this.store.rows(sql.CHANGE, [id, name, email]))
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(@Param('id', IdPipe) id: number) {
    found(await this.store.rows(sql.DELETE, [id]))
  }
}
