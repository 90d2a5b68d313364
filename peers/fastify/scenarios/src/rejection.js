// An answer that says no.

export class Rejection extends Error {
  constructor(statusCode, message) {
    super(message)
    this.statusCode = statusCode
  }
}
