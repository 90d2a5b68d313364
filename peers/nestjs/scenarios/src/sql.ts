// The statements. Each has a name, by which pg prepares it once a connection.

const COLUMNS = 'id, name, email, created_at'

export interface Statement {
  name: string
  text: string
}

export const USERS: Statement = { name: 'users', text: `SELECT ${COLUMNS} FROM users` }
export const USER: Statement = { name: 'user', text: `SELECT ${COLUMNS} FROM users WHERE id = $1` }
export const CREATE: Statement = {
  name: 'create',
  text: `INSERT INTO users (name, email) VALUES ($1, $2) RETURNING ${COLUMNS}`,
}
export const CHANGE: Statement = {
  name: 'change',
  text: `UPDATE users SET name = $2, email = $3 WHERE id = $1 RETURNING ${COLUMNS}`,
}
export const DELETE: Statement = { name: 'delete', text: 'DELETE FROM users WHERE id = $1 RETURNING id' }
