-- The people of the contest. `apelido` is compared byte by byte (collation C): uniqueness needs no language, and the
-- index is cheaper. `stack` is null where the request had none or null.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- What a search looks at: every field in lower case, parted by the unit separator (U+001F). array_to_string is only
-- "stable" for element types whose output may change with settings; text is not one of them, hence the wrapper.
CREATE FUNCTION people_search_text(apelido text, nome text, stack text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN lower(
        (apelido || E'\x1f' || nome || coalesce(E'\x1f' || array_to_string(stack, E'\x1f'), ''))
        COLLATE pg_c_utf8
    );

CREATE TABLE people (
    id         uuid PRIMARY KEY,
    apelido    text COLLATE "C" NOT NULL UNIQUE,
    nome       text COLLATE "C" NOT NULL,
    nascimento date NOT NULL,
    stack      text[] COLLATE "C",
    search     text COLLATE "C" NOT NULL
               GENERATED ALWAYS AS (people_search_text(apelido, nome, stack)) STORED
);

-- GiST with short signatures: measured cheapest in sum of inserts and searches.
CREATE INDEX people_search ON people USING gist (search gist_trgm_ops (siglen = 64));
