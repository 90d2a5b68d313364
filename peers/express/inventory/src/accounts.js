// Passwords and access tokens.

import bcrypt from 'bcrypt'
import jwt from 'jsonwebtoken'
import { Rejection } from './rejection.js'

const LIFETIME = '24h'

export class Accounts {
  #store
  #secret
  #cost
  #nobody

  constructor(store, { secret, cost }) {
    this.#store = store
    this.#secret = secret
    this.#cost = cost
    // What the password of an address that nobody has is compared with: that takes the same time.
    this.#nobody = bcrypt.hashSync('the password of nobody', cost)
  }

  async register({ email, password, fullName }) {
    const hash = await bcrypt.hash(password, this.#cost)
    return this.#store.addUser(email, hash, fullName)
  }

  async login({ email, password }) {
    const user = await this.#store.userByEmail(email)
    const isRight = await bcrypt.compare(password, user?.password_hash ?? this.#nobody)
    if (!user || !isRight) throw new Rejection(401, 'the e-mail address or the password is wrong')
    const claims = { sub: String(user.id) }
    const token = jwt.sign(claims, this.#secret, { algorithm: 'HS256', expiresIn: LIFETIME })
    return { access_token: token, token_type: 'bearer' }
  }

  // Middleware: whose token comes with a request.
  authenticate = (request, _response, next) => {
    const token = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) throw new Rejection(401, 'an access token is needed')
    try {
      const { sub } = jwt.verify(token, this.#secret, { algorithms: ['HS256'] })
      if (typeof sub !== 'string' || !/^\d{1,18}$/.test(sub)) throw new Error('the token names no user')
      request.user = sub
    } catch {
      throw new Rejection(401, 'the access token is not valid, or not any more')
    }
    next()
  }
}
