// The statements.

const PRODUCT_COLUMNS = 'id, name, description, price, sku, owner_id'
const STOCK_COLUMNS = 'product_id AS id, product_id, quantity, last_updated'
const ORDER_COLUMNS = `o.id, o.customer_id, o.status, o.total_amount, o.created_at, o.updated_at,
  line.product_id, line.name, line.quantity, line.unit_price`

export const ADD_USER = {
  name: 'add-user',
  text: `INSERT INTO users (email, password_hash, full_name) VALUES ($1, $2, $3)
         RETURNING id, email, full_name, is_active`,
}

export const USER_BY_EMAIL = {
  name: 'user-by-email',
  text: 'SELECT id, password_hash FROM users WHERE lower(email) = lower($1)',
}

export const ADD_PRODUCT = {
  name: 'add-product',
  text: `WITH product AS (
           INSERT INTO products (name, description, price, sku, owner_id) VALUES ($1, $2, $3, $4, $5)
           RETURNING ${PRODUCT_COLUMNS}
         ), stock AS (INSERT INTO stock (product_id) SELECT id FROM product)
         SELECT * FROM product`,
}

export const PRODUCTS = {
  name: 'products',
  text: `SELECT ${PRODUCT_COLUMNS} FROM products
         WHERE archived_at IS NULL AND id > $1 ORDER BY id OFFSET $2 LIMIT $3`,
}

export const PRODUCT = {
  name: 'product',
  text: `SELECT ${PRODUCT_COLUMNS} FROM products WHERE id = $1 AND archived_at IS NULL`,
}

export const CHANGE_PRODUCT = {
  name: 'change-product',
  text: `UPDATE products
         SET name = coalesce($2, name), price = coalesce($3, price), sku = coalesce($4, sku),
             description = CASE WHEN $5 THEN $6 ELSE description END
         WHERE id = $1 AND archived_at IS NULL RETURNING ${PRODUCT_COLUMNS}`,
}

// The stock's row goes with the product. An order that waits for it finds none.
export const ARCHIVE_PRODUCT = {
  name: 'archive-product',
  text: `WITH gone AS (DELETE FROM stock WHERE product_id = $1 RETURNING product_id)
         UPDATE products SET archived_at = now() FROM gone WHERE id = gone.product_id
         RETURNING ${PRODUCT_COLUMNS}`,
}

export const STOCK = {
  name: 'stock',
  text: `SELECT ${STOCK_COLUMNS} FROM stock WHERE product_id > $1 ORDER BY product_id OFFSET $2 LIMIT $3`,
}

export const STOCK_OF = {
  name: 'stock-of',
  text: `SELECT ${STOCK_COLUMNS} FROM stock WHERE product_id = $1`,
}

export const ADD_STOCK = {
  name: 'add-stock',
  text: `UPDATE stock SET quantity = quantity + $2, last_updated = now() WHERE product_id = $1
         RETURNING ${STOCK_COLUMNS}`,
}

export const REMOVE_STOCK = {
  name: 'remove-stock',
  text: `UPDATE stock SET quantity = quantity - $2, last_updated = now()
         WHERE product_id = $1 AND quantity >= $2 RETURNING ${STOCK_COLUMNS}`,
}

export const SET_STOCK = {
  name: 'set-stock',
  text: `UPDATE stock SET quantity = $2, last_updated = now() WHERE product_id = $1
         RETURNING ${STOCK_COLUMNS}`,
}

// Rows of stock are locked in the order of the products, so that no two orders wait for each other, and are
// read behind the lock. Only if each is there and has enough is anything written. What is left is counted
// from what was read: an UPDATE looks at the row as it was when the statement began, and so does the CHECK.
export const PLACE_ORDER = {
  name: 'place-order',
  text: `WITH wanted AS (
           SELECT * FROM unnest($2::bigint[], $3::bigint[]) AS wanted (product_id, quantity)
         ), locked AS MATERIALIZED (
           SELECT stock.product_id, stock.quantity AS present, wanted.quantity, product.name, product.price
           FROM wanted JOIN stock ON stock.product_id = wanted.product_id
             JOIN products AS product ON product.id = stock.product_id
           ORDER BY stock.product_id FOR UPDATE OF stock
         ), whole AS (
           SELECT sum(price * quantity) AS total FROM locked
           HAVING count(*) = cardinality($2::bigint[]) AND bool_and(present >= quantity)
         ), taken AS (
           UPDATE stock SET quantity = locked.present - locked.quantity, last_updated = now()
           FROM locked, whole WHERE stock.product_id = locked.product_id
         ), placed AS (
           INSERT INTO orders (customer_id, total_amount) SELECT $1, total FROM whole RETURNING *
         ), line AS (
           SELECT wanted.product_id, wanted.quantity, locked.present, locked.name, locked.price AS unit_price
           FROM wanted LEFT JOIN locked ON locked.product_id = wanted.product_id
         ), written AS (
           INSERT INTO order_items (order_id, product_id, name, quantity, unit_price)
           SELECT placed.id, line.product_id, line.name, line.quantity, line.unit_price FROM placed, line
         )
         SELECT ${ORDER_COLUMNS}, line.present
         FROM line LEFT JOIN placed AS o ON true ORDER BY line.product_id`,
}

export const WRITE_ORDER = {
  name: 'write-order',
  text: 'INSERT INTO orders (customer_id, total_amount) VALUES ($1, $2) RETURNING id',
}

export const WRITE_LINE = {
  name: 'write-line',
  text: `INSERT INTO order_items (order_id, product_id, name, quantity, unit_price)
         VALUES ($1, $2, $3, $4, $5)`,
}

export const ORDERS = {
  name: 'orders',
  text: `SELECT ${ORDER_COLUMNS}
         FROM (SELECT * FROM orders WHERE customer_id = $1 AND id > $2 ORDER BY id OFFSET $3 LIMIT $4) AS o
           JOIN order_items AS line ON line.order_id = o.id
         ORDER BY o.id, line.product_id`,
}

export const ORDER = {
  name: 'order',
  text: `SELECT ${ORDER_COLUMNS} FROM orders AS o JOIN order_items AS line ON line.order_id = o.id
         WHERE o.id = $1 ORDER BY line.product_id`,
}
