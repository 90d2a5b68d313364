-- Run by both replicas at every start, one at a time. A product's row stays when it is archived, since lines
-- of orders refer to it; its stock goes.
BEGIN;
SELECT pg_advisory_xact_lock(20261129);

CREATE TABLE IF NOT EXISTS users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL,
    password_hash text NOT NULL,
    full_name     text NOT NULL,
    is_active     boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX IF NOT EXISTS users_email ON users (lower(email));

CREATE TABLE IF NOT EXISTS products (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    description text,
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    sku         text NOT NULL,
    owner_id    bigint NOT NULL REFERENCES users,
    archived_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS products_sku ON products (sku) WHERE archived_at IS NULL;
CREATE INDEX IF NOT EXISTS products_offered ON products (id) WHERE archived_at IS NULL;

CREATE TABLE IF NOT EXISTS stock (
    product_id   bigint PRIMARY KEY REFERENCES products,
    quantity     integer NOT NULL DEFAULT 0 CHECK (quantity >= 0),
    last_updated timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES users,
    status      text NOT NULL DEFAULT 'pending',
    total_cents bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS orders_customer ON orders (customer_id, id);

CREATE TABLE IF NOT EXISTS order_items (
    order_id         bigint NOT NULL REFERENCES orders,
    product_id       bigint NOT NULL REFERENCES products,
    name             text NOT NULL,
    quantity         bigint NOT NULL CHECK (quantity > 0),
    unit_price_cents bigint NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
COMMIT;
