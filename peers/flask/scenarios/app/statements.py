"""What Postgres is asked, by either driver: one statement a request."""

_COLUMNS = "id, name, email, created_at"

ALL = f"SELECT {_COLUMNS} FROM users"
ONE = f"SELECT {_COLUMNS} FROM users WHERE id = $1"
CREATE = f"INSERT INTO users (name, email) VALUES ($1, $2) RETURNING {_COLUMNS}"
CHANGE = f"UPDATE users SET name = $2, email = $3 WHERE id = $1 RETURNING {_COLUMNS}"
DELETE = "DELETE FROM users WHERE id = $1 RETURNING id"
