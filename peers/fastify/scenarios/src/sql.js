// The statements. Each has a name, by which pg prepares it once a connection.

const COLUMNS = 'id, name, email, created_at'

export const USERS = { name: 'users', text: `SELECT ${COLUMNS} FROM users` }
export const USER = { name: 'user', text: `SELECT ${COLUMNS} FROM users WHERE id = $1` }
export const CREATE = {
  name: 'create',
  text: `INSERT INTO users (name, email) VALUES ($1, $2) RETURNING ${COLUMNS}`,
}
export const CHANGE = {
  name: 'change',
  text: `UPDATE users SET name = $2, email = $3 WHERE id = $1 RETURNING ${COLUMNS}`,
}
export const DELETE = { name: 'delete', text: 'DELETE FROM users WHERE id = $1 RETURNING id' }
