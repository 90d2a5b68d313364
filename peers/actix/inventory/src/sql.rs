//! The statements. Lists of columns are in the order in which `model.rs` reads them.

pub(crate) const SCHEMA: &str = include_str!("schema.sql");

pub(crate) const INSERT_USER: &str = "
    INSERT INTO users (email, password_hash, full_name) VALUES ($1, $2, $3)
    RETURNING id, email, full_name, is_active";

pub(crate) const PASSWORD: &str = "
    SELECT id, password_hash FROM users WHERE lower(email) = lower($1)";

/// With its stock, which is none.
pub(crate) const INSERT_PRODUCT: &str = "
    WITH product AS (
        INSERT INTO products (name, description, price_cents, sku, owner_id) VALUES ($1, $2, $3, $4, $5)
        RETURNING id, name, description, price_cents, sku, owner_id
    ), stock AS (INSERT INTO stock (product_id) SELECT id FROM product)
    SELECT * FROM product";

pub(crate) const PRODUCTS: &str = "
    SELECT id, name, description, price_cents, sku, owner_id FROM products
    WHERE archived_at IS NULL AND id > $1 ORDER BY id OFFSET $2 LIMIT $3";

pub(crate) const PRODUCT: &str = "
    SELECT id, name, description, price_cents, sku, owner_id FROM products
    WHERE id = $1 AND archived_at IS NULL";

/// What is null stays as it is; the description has a flag, since null is a description too.
pub(crate) const UPDATE_PRODUCT: &str = "
    UPDATE products
    SET name = coalesce($2, name), price_cents = coalesce($3, price_cents), sku = coalesce($4, sku),
        description = CASE WHEN $5 THEN $6 ELSE description END
    WHERE id = $1 AND archived_at IS NULL RETURNING id, name, description, price_cents, sku, owner_id";

/// The stock's row goes with the product. An order that waits for it finds none.
pub(crate) const ARCHIVE_PRODUCT: &str = "
    WITH gone AS (DELETE FROM stock WHERE product_id = $1 RETURNING product_id)
    UPDATE products SET archived_at = now() FROM gone WHERE id = gone.product_id
    RETURNING id, name, description, price_cents, sku, owner_id";

pub(crate) const STOCK: &str = "
    SELECT product_id, quantity, last_updated FROM stock
    WHERE product_id > $1 ORDER BY product_id OFFSET $2 LIMIT $3";

pub(crate) const IS_THERE: &str = "
    SELECT EXISTS (SELECT FROM stock WHERE product_id = $1)";

pub(crate) const ADD_STOCK: &str = "
    UPDATE stock SET quantity = quantity + $2, last_updated = now() WHERE product_id = $1
    RETURNING product_id, quantity, last_updated";

pub(crate) const REMOVE_STOCK: &str = "
    UPDATE stock SET quantity = quantity - $2, last_updated = now()
    WHERE product_id = $1 AND quantity >= $2 RETURNING product_id, quantity, last_updated";

/// Rows of stock are locked in the order of the products, so that no two orders wait for each other, and are
/// read behind the lock. Only if each is there and has enough is anything written. What is left is counted
/// from what was read: an UPDATE looks at the row as it was when the statement began, and so does the CHECK.
pub(crate) const PLACE_ORDER: &str = "
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
        SELECT wanted.product_id, wanted.quantity, locked.present, locked.name,
            locked.price_cents AS unit_price_cents
        FROM wanted LEFT JOIN locked ON locked.product_id = wanted.product_id
    ), written AS (
        INSERT INTO order_items (order_id, product_id, name, quantity, unit_price_cents)
        SELECT placed.id, line.product_id, line.name, line.quantity, line.unit_price_cents FROM placed, line
    )
    SELECT o.id, o.customer_id, o.status, o.total_cents, o.created_at, o.updated_at,
        line.product_id, line.name, line.quantity, line.unit_price_cents, line.present
    FROM line LEFT JOIN placed AS o ON true ORDER BY line.product_id";

pub(crate) const ORDERS: &str = "
    SELECT o.id, o.customer_id, o.status, o.total_cents, o.created_at, o.updated_at,
        line.product_id, line.name, line.quantity, line.unit_price_cents
    FROM (SELECT * FROM orders WHERE customer_id = $1 AND id > $2 ORDER BY id OFFSET $3 LIMIT $4) AS o
        JOIN order_items AS line ON line.order_id = o.id
    ORDER BY o.id, line.product_id";

pub(crate) const ORDER: &str = "
    SELECT o.id, o.customer_id, o.status, o.total_cents, o.created_at, o.updated_at,
        line.product_id, line.name, line.quantity, line.unit_price_cents
    FROM orders AS o JOIN order_items AS line ON line.order_id = o.id
    WHERE o.id = $1 ORDER BY line.product_id";
