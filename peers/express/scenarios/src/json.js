// How the list of users becomes JSON: as Express does it, or by a function that is made from its schema. The
// second is for the lab's experiment `json` alone.

import build from 'fast-json-stringify'

const stringify = build({
  type: 'array',
  items: {
    type: 'object',
    properties: {
      id: { type: 'integer' },
      name: { type: 'string' },
      email: { type: 'string' },
      created_at: { type: 'string', format: 'date-time' },
    },
  },
})

const WAYS = {
  plain: (response, users) => response.json(users),
  'fast-json-stringify': (response, users) => response.type('application/json').send(stringify(users)),
}

const way = process.env.JSON || 'plain'
if (!Object.hasOwn(WAYS, way)) throw new Error(`JSON=${way}: plain or fast-json-stringify is allowed`)

export const sendUsers = WAYS[way]
