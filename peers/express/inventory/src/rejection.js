// A request that is refused: the status of the answer, and the member of the body that is to blame.

export class Rejection extends Error {
  constructor(status, message, field) {
    super(message)
    this.status = status
    this.field = field
  }
}
