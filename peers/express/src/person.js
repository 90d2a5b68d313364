// A person: what a body must be. Types first (400 whatever the values are), then the rules (422).

const SHORT_CHARACTERS = 32 // apelido, and an element of stack
const NAME_CHARACTERS = 100

// A body that is not a person, with the status of the answer.
export class Rejection extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

// Returns the fields of a person, or throws a Rejection.
export function parsePerson(body) {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Rejection(400, 'the body is no JSON object')
  }
  // Absent is the same as null.
  const { apelido = null, nome = null, nascimento = null, stack = null } = body

  for (const [name, value] of Object.entries({ apelido, nome, nascimento })) {
    if (value !== null && typeof value !== 'string') throw new Rejection(400, `${name} must be a string`)
  }
  if (stack !== null && !(Array.isArray(stack) && stack.every((element) => typeof element === 'string'))) {
    throw new Rejection(400, 'stack must be null or an array of strings')
  }

  checkText('apelido', apelido, SHORT_CHARACTERS)
  checkText('nome', nome, NAME_CHARACTERS)
  if (nascimento === null || !isDate(nascimento)) {
    throw new Rejection(422, 'nascimento must be a calendar date, YYYY-MM-DD')
  }
  stack?.forEach((element) => checkText('stack', element, SHORT_CHARACTERS))
  return { apelido, nome, nascimento, stack }
}

// Text is what Postgres can store: no NUL, no half of a surrogate pair.
export function isText(value) {
  return value.isWellFormed() && !value.includes('\0')
}

function checkText(name, value, mostCharacters) {
  if (value === null) throw new Rejection(422, `${name} is required`)
  if (!isText(value)) throw new Rejection(422, `${name} holds what is no text`)
  // `length` counts UTF-16 units, of which a character has one or two; a spread counts characters.
  if (value.length > mostCharacters && [...value].length > mostCharacters) {
    throw new Rejection(422, `${name} is longer than ${mostCharacters} characters`)
  }
}

// Date rolls 30 February over into March, so what it makes of the text is compared with the text.
function isDate(text) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text.startsWith('0000')) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.valueOf()) && date.toISOString().startsWith(text)
}
