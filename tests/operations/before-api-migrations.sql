SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';
CREATE FUNCTION public.people_search_text(apelido text, nome text, stack text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (lower(((((apelido || ''::text) || nome) || COALESCE((''::text || array_to_string(stack, ''::text)), ''::text)) COLLATE pg_c_utf8)) COLLATE "C");
CREATE TABLE public.people (
    id uuid NOT NULL,
    apelido text NOT NULL COLLATE pg_catalog."C",
    nome text NOT NULL COLLATE pg_catalog."C",
    nascimento date NOT NULL,
    stack text[] COLLATE pg_catalog."C",
    feed bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL
);
CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    full_name text NOT NULL,
    age integer NOT NULL,
    country_code text NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT users_age_check CHECK (((age >= 0) AND (age <= 150))),
    CONSTRAINT users_country_code_check CHECK ((country_code ~ '^[A-Z]{2}$'::text))
);
INSERT INTO public.people VALUES ('01a226a8-9022-7f7f-9824-648120ca1870', 'ana', 'Ana', '2000-10-01', '{Rust}', 744);
INSERT INTO public.people VALUES ('01a226a8-903c-73e6-8fae-d7995fadd090', 'bob', 'Bób', '1990-01-31', NULL, 745);
INSERT INTO public.schema_migrations VALUES (1, 'people', '2026-11-29 09:35:09.323678+00');
INSERT INTO public.schema_migrations VALUES (2, 'users', '2026-11-29 09:35:09.323678+00');
INSERT INTO public.users VALUES ('a833bdcd-b6d1-4eb1-88dc-97e5aab5fe3d', 'user1@example.com', 'User 1', 87, 'MX', true, '2024-09-06 13:35:44+00');
INSERT INTO public.users VALUES ('c4e77f0c-e2a3-4df5-9932-ef6461dfa32a', 'user2@example.com', 'User 2', 76, 'BR', true, '2020-12-16 07:39:27+00');
INSERT INTO public.users VALUES ('015b4857-625a-4156-9d3e-252b8cf7b561', 'user3@example.com', 'User 3', 74, 'IN', true, '2023-03-05 22:41:51+00');
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_apelido_key UNIQUE (apelido);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE INDEX people_feed ON public.people USING btree (feed);
