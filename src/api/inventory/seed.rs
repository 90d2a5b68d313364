//! Users and products to try the API with: the same ones for the same seed, on every machine.

use fastrand::Rng;
use uuid::{Builder, Uuid};

use crate::api::{Seed, SeedRows};
use crate::store::Session;

pub(super) const SEED: Seed = Seed {
    rows: &[
        SeedRows { option: "--users", name: "accounts", default: 100 },
        SeedRows { option: "--products", name: "products", default: 1_000 },
    ],
    fill,
};

/// Of `pouco-password`, the password of all of them. One hash for all: it takes as long as hundreds of rows.
const HASH: &str = "$2b$10$pouco.pouco.pouco.pouOMLt9aNp3zH28WE8U2oquF29nBiw9Fyy";

/// Rows of one INSERT.
const BATCH_ROWS: u64 = 1_000;

const THINGS: [&str; 12] =
    ["Tea", "Cup", "Lamp", "Chair", "Book", "Pen", "Clock", "Bag", "Shoe", "Bowl", "Coat", "Bell"];

const USERS: &str = "
    INSERT INTO inventory.users (email, full_name, password_hash)
    SELECT 'user' || n || '@example.com', 'User ' || n, $3 FROM generate_series($1::bigint, $2::bigint) AS n
    ON CONFLICT DO NOTHING";

const PRODUCTS: &str = "
    WITH product AS (
        INSERT INTO inventory.products (request, owner_id, sku, name, price_cents)
        SELECT new.request, (SELECT min(id) FROM inventory.users), new.sku, new.name, new.price
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) AS new (request, sku, name, price)
        ON CONFLICT DO NOTHING RETURNING id, request)
    INSERT INTO inventory.stock (product_id, quantity)
    SELECT product.id, new.quantity
    FROM product JOIN unnest($1::uuid[], $5::bigint[]) AS new (request, quantity) USING (request)";

#[derive(Default)]
struct Batch {
    requests: Vec<Uuid>,
    skus: Vec<String>,
    names: Vec<String>,
    prices: Vec<i64>,
    quantities: Vec<i64>,
}

impl Batch {
    fn push(&mut self, number: u64, random: &mut Rng) {
        self.requests.push(Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid());
        self.skus.push(format!("SKU-{number:06}"));
        self.names.push(format!("{} {number}", THINGS[random.usize(..THINGS.len())]));
        self.prices.push(random.i64(50..=50_000));
        self.quantities.push(random.i64(0..=1_000));
    }
}

/// Adds the first users and products of `seed`; those that are there already, by e-mail and by SKU, stay as
/// they are. Products are the first user's.
///
/// # Errors
/// What Postgres said; then none came in, and the session is of no more use.
fn fill(session: &mut Session, counts: &[u64], seed: u64) -> Result<Vec<u64>, postgres::Error> {
    let &[users, products] = counts else { return Ok(Vec::new()) };
    // Products need an owner.
    let users = users.max(u64::from(products > 0));
    let mut random = Rng::with_seed(seed);
    session.batch("BEGIN")?;
    let mut added = vec![0, 0];
    let last = i64::try_from(users).unwrap_or(i64::MAX);
    added[0] += session.execute(USERS, &[&1_i64, &last, &HASH])?;
    let mut number = 0;
    while number < products {
        let mut batch = Batch::default();
        for _ in 0..BATCH_ROWS.min(products - number) {
            number += 1;
            batch.push(number, &mut random);
        }
        let Batch { requests, skus, names, prices, quantities } = &batch;
        added[1] += session.execute(PRODUCTS, &[requests, skus, names, prices, quantities])?;
    }
    session.batch("COMMIT")?;
    session.batch("ANALYZE inventory.users; ANALYZE inventory.products; ANALYZE inventory.stock")?;
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::HASH;

    #[test]
    fn the_hash_is_of_the_password() {
        assert!(bcrypt::verify("pouco-password", HASH).unwrap());
    }
}
