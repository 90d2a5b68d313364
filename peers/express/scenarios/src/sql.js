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

// 13: who is put into the caches before anybody asks.
export const FIRST = { name: 'first', text: `SELECT ${COLUMNS} FROM users WHERE id <= $1 ORDER BY id` }

// 15: a session of an hour, if there is such a user; and whose it is.
export const NEW_SESSION = {
  name: 'new-session',
  text: `INSERT INTO sessions (token, user_id, expires_at)
    SELECT $1::text, id, now() + interval '1 hour' FROM users WHERE id = $2
    RETURNING user_id`,
}
export const OF_SESSION = {
  name: 'of-session',
  text: `SELECT users.id, users.name, users.email, users.created_at
    FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.token = $1 AND sessions.expires_at > now()`,
}
