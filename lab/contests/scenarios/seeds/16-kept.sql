-- Totals of each group, kept by a trigger.
CREATE TABLE IF NOT EXISTS article_totals (
  kind text,
  key text,
  articles bigint NOT NULL,
  views bigint NOT NULL,
  PRIMARY KEY (kind, key)
);

-- A semicolon at the end of a line would end the statement for whoever runs this file.
CREATE OR REPLACE FUNCTION keep_article_totals() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO article_totals AS kept (kind, key, articles, views)
  SELECT kind, key, count(*), sum(views)
  FROM added, LATERAL (VALUES ('country', country), ('author', author_id::text)) AS each (kind, key)
  GROUP BY kind, key
  ON CONFLICT (kind, key) DO UPDATE
  SET articles = kept.articles + excluded.articles, views = kept.views + excluded.views
  ; RETURN NULL
  ; END $$;

CREATE OR REPLACE TRIGGER keep_article_totals AFTER INSERT ON articles
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_article_totals();

-- What is there is inserted again, so that the trigger itself has made the totals.
TRUNCATE article_totals;

CREATE TEMPORARY TABLE again AS SELECT * FROM articles;

BEGIN;

TRUNCATE articles;

INSERT INTO articles SELECT * FROM again;

COMMIT;

DROP TABLE again;

VACUUM (ANALYZE) articles, article_totals;
