-- Authors, each with 5 to 15 posts, whose ids are in the order of author and number.
CREATE TABLE IF NOT EXISTS authors (
  id bigint PRIMARY KEY,
  name text NOT NULL,
  country text NOT NULL
);

CREATE TABLE IF NOT EXISTS posts (
  id bigint PRIMARY KEY,
  author_id bigint NOT NULL REFERENCES authors,
  title text NOT NULL,
  body text NOT NULL
);

CREATE INDEX IF NOT EXISTS posts_author ON posts (author_id);

TRUNCATE authors, posts;

INSERT INTO authors (id, name, country)
SELECT n, 'Author ' || n, 'C' || lpad((n % 50)::text, 2, '0')
FROM generate_series(1, {authors}) AS n;

INSERT INTO posts (id, author_id, title, body)
SELECT
  row_number() OVER (ORDER BY n, number),
  n,
  'Post ' || number || ' of ' || n,
  repeat('Text of post ' || number || ' of author ' || n || '. ', 5)
FROM generate_series(1, {authors}) AS n, generate_series(1, 5 + n % 11) AS number;

VACUUM (ANALYZE) authors, posts;
