-- All that a group needs is in an index.
CREATE INDEX IF NOT EXISTS articles_country ON articles (country) INCLUDE (views);

CREATE INDEX IF NOT EXISTS articles_author ON articles (author_id) INCLUDE (views);

VACUUM (ANALYZE) articles;
