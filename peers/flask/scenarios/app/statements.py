"""What Postgres is asked, by either driver: one statement a request."""

_COLUMNS = "id, name, email, created_at"

ALL = f"SELECT {_COLUMNS} FROM users"
ONE = f"SELECT {_COLUMNS} FROM users WHERE id = $1"
CREATE = f"INSERT INTO users (name, email) VALUES ($1, $2) RETURNING {_COLUMNS}"
CHANGE = f"UPDATE users SET name = $2, email = $3 WHERE id = $1 RETURNING {_COLUMNS}"
DELETE = "DELETE FROM users WHERE id = $1 RETURNING id"

# 13: who is put into the caches before anybody asks.
FIRST = f"SELECT {_COLUMNS} FROM users WHERE id <= $1 ORDER BY id"
# 15: a session of an hour, if there is such a user; and whose it is.
NEW_SESSION = """
    INSERT INTO sessions (token, user_id, expires_at)
    SELECT $1::text, id, now() + interval '1 hour' FROM users WHERE id = $2
    RETURNING user_id
"""
OF_SESSION = """
    SELECT users.id, users.name, users.email, users.created_at
    FROM sessions JOIN users ON users.id = sessions.user_id
    WHERE sessions.token = $1 AND sessions.expires_at > now()
"""
