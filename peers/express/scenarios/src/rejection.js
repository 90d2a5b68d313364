// An answer that says no.

export class Rejection extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}
