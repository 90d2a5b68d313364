-- The people of the contest. `apelido` is compared byte by byte (collation C): uniqueness needs no language,
-- and the index is cheaper. `stack` is null where the request had none or null.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- What a search looks at: every field in lower case, separated by the unit separator (U+001F).
-- array_to_string is only "stable" for element types whose output may change with settings; text is not one
-- of them, hence the wrapper. Searches are answered from memory while everybody fits there. A trigram index
-- on this expression is made only when they do not (src/api/people/sql.rs): it would cost every creation more
-- than the creation itself.
CREATE FUNCTION people_search_text(apelido text, nome text, stack text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN lower(
        (apelido || E'\x1f' || nome || coalesce(E'\x1f' || array_to_string(stack, E'\x1f'), ''))
        COLLATE pg_c_utf8
    ) COLLATE "C";

CREATE TABLE people (
    id         uuid PRIMARY KEY,
    apelido    text COLLATE "C" NOT NULL UNIQUE,
    nome       text COLLATE "C" NOT NULL,
    nascimento date NOT NULL,
    stack      text[] COLLATE "C",
    -- The writing transaction, which the feed follows.
    feed       bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);

CREATE INDEX people_feed ON people (feed);
