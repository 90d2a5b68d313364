-- Run by both replicas at every start, one at a time.
BEGIN;
SELECT pg_advisory_xact_lock(2023);

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- A generated column takes immutable functions only. array_to_string is "stable" for the sake of element
-- types whose output may change with settings; text is not one of them. PL/pgSQL keeps its plan for the
-- session.
-- The fields are separated by the unit separator, so that no term matches across two of them.
CREATE OR REPLACE FUNCTION people_search(apelido text, nome text, stack text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
    BEGIN
        RETURN lower(concat_ws(E'\x1f', apelido, nome, array_to_string(stack, E'\x1f')));
    END
    $$;

CREATE TABLE IF NOT EXISTS people (
    id         uuid PRIMARY KEY,
    apelido    varchar(32) NOT NULL UNIQUE,
    nome       varchar(100) NOT NULL,
    nascimento date NOT NULL,
    stack      text[],
    search     text NOT NULL GENERATED ALWAYS AS (people_search(apelido, nome, stack)) STORED
);

CREATE INDEX IF NOT EXISTS people_search ON people USING gist (search gist_trgm_ops (siglen = 256));
COMMIT;
