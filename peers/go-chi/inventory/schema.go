package main

// Both replicas make the tables at their start, one after the other. A product's row stays when it is
// archived, since lines of orders refer to it; its stock goes.
const schema = `
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
`

const (
	productColumns = "id, name, description, price_cents, sku, owner_id"
	stockColumns   = "product_id, product_id, quantity, last_updated"
	orderColumns   = `o.id, o.customer_id, o.status, o.total_cents, o.created_at, o.updated_at,
    line.product_id, line.name, line.quantity, line.unit_price_cents`

	insertUser = `INSERT INTO users (email, password_hash, full_name) VALUES ($1, $2, $3)
RETURNING id, email, full_name, is_active`

	selectHash = "SELECT id, password_hash FROM users WHERE lower(email) = lower($1)"

	insertProduct = `
WITH product AS (
    INSERT INTO products (name, description, price_cents, sku, owner_id) VALUES ($1, $2, $3, $4, $5)
    RETURNING ` + productColumns + `
), stock AS (INSERT INTO stock (product_id) SELECT id FROM product)
SELECT * FROM product`

	selectProducts = "SELECT " + productColumns + ` FROM products
WHERE archived_at IS NULL AND id > $1 ORDER BY id OFFSET $2 LIMIT $3`

	selectProduct = "SELECT " + productColumns + " FROM products WHERE id = $1 AND archived_at IS NULL"

	updateProduct = `
UPDATE products
SET name = coalesce($2, name), price_cents = coalesce($3, price_cents), sku = coalesce($4, sku),
    description = CASE WHEN $5 THEN $6 ELSE description END
WHERE id = $1 AND archived_at IS NULL RETURNING ` + productColumns

	// The stock's row goes with the product. An order that waits for it finds none.
	archiveProduct = `
WITH gone AS (DELETE FROM stock WHERE product_id = $1 RETURNING product_id)
UPDATE products SET archived_at = now() FROM gone WHERE id = gone.product_id RETURNING ` + productColumns

	selectStock = "SELECT " + stockColumns + ` FROM stock
WHERE product_id > $1 ORDER BY product_id OFFSET $2 LIMIT $3`

	isThere = "SELECT EXISTS (SELECT FROM stock WHERE product_id = $1)"

	addStock = `UPDATE stock SET quantity = quantity + $2, last_updated = now() WHERE product_id = $1
RETURNING ` + stockColumns

	removeStock = `UPDATE stock SET quantity = quantity - $2, last_updated = now()
WHERE product_id = $1 AND quantity >= $2 RETURNING ` + stockColumns

	// Rows of stock are locked in the order of the products, so that no two orders wait for each other, and are
	// read behind the lock. Only if each is there and has enough is anything written. What is left is counted
	// from what was read: an UPDATE looks at the row as it was when the statement began, and so does the CHECK.
	placeOrder = `
WITH wanted AS (
    SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS wanted (product_id, quantity)
), locked AS MATERIALIZED (
    SELECT stock.product_id, stock.quantity AS present, wanted.quantity, product.name, product.price_cents
    FROM wanted JOIN stock ON stock.product_id = wanted.product_id
        JOIN products AS product ON product.id = stock.product_id
    ORDER BY stock.product_id FOR UPDATE OF stock
), whole AS (
    SELECT sum(price_cents * quantity)::bigint AS total_cents FROM locked
    HAVING count(*) = cardinality($2::bigint[]) AND bool_and(present >= quantity)
), taken AS (
    UPDATE stock SET quantity = locked.present - locked.quantity, last_updated = now()
    FROM locked, whole WHERE stock.product_id = locked.product_id
), placed AS (
    INSERT INTO orders (customer_id, total_cents) SELECT $1, total_cents FROM whole RETURNING *
), line AS (
    SELECT wanted.product_id, wanted.quantity, locked.present, locked.name, locked.price_cents
    FROM wanted LEFT JOIN locked ON locked.product_id = wanted.product_id
), written AS (
    INSERT INTO order_items (order_id, product_id, name, quantity, unit_price_cents)
    SELECT placed.id, line.product_id, line.name, line.quantity, line.price_cents FROM placed, line
)
SELECT line.product_id, line.quantity, line.present, line.name, line.price_cents,
    o.id, o.status, o.total_cents, o.created_at
FROM line LEFT JOIN placed AS o ON true ORDER BY line.product_id`

	selectOrders = "SELECT " + orderColumns + `
FROM (SELECT * FROM orders WHERE customer_id = $1 AND id > $2 ORDER BY id OFFSET $3 LIMIT $4) AS o
    JOIN order_items AS line ON line.order_id = o.id
ORDER BY o.id, line.product_id`

	selectOrder = "SELECT " + orderColumns + `
FROM orders AS o JOIN order_items AS line ON line.order_id = o.id
WHERE o.id = $1 ORDER BY line.product_id`
)
