//! Orders: one product in demand and random baskets, by many clients, each of which repeats what it got no
//! answer to under the same key. At the end exactly what was acknowledged is there, and the stock adds up.

pub mod asker;
pub mod check;
pub mod load;
pub mod look;
pub mod shop;
pub mod stored;
pub mod watch;
pub mod wish;

use std::path::PathBuf;
use std::sync::Arc;

use self::asker::Common;
use self::check::{Scene, check};
use self::load::Load;
use self::shop::Shop;
use self::stored::{Stored, stored};
use self::watch::Watch;
use self::wish::Try;
use super::Failure;
use super::audit::Looked;
use super::check::{Broken, Violation};
use super::history::History;
use super::run::{Pace, Started, Workload};
use super::stack::{Setup, Stack, Subject};

const ORDERS: Subject = Subject {
    table: "inventory.orders",
    answers: ("/api/v1/orders", 401),
    in_memory: ("/api/v1/orders", 401),
};

/// Tokens outlast any run, and are good at both replicas.
const LIFETIME_S: u32 = 7 * 24 * 3_600;

/// As [`Setup::new`], for two replicas of the inventory.
pub fn setup(program: PathBuf) -> Setup {
    let setup = Setup::new(program)
        .set("POUCO_APIS", "inventory")
        .set("POUCO_BCRYPT_COST", 4)
        .set("POUCO_JWT_SECRET", "a secret of the faults, long enough")
        .set("POUCO_JWT_LIFETIME_S", LIFETIME_S);
    Setup { subject: &ORDERS, ..setup }
}

pub struct Orders {
    common: Arc<Common>,
    load: Load,
    watch: Watch,
}

impl Workload for Orders {
    type Attempt = Try;
    type Row = Stored;
    const IS_PEOPLE: bool = false;

    fn start(stack: &Stack, setup: &Setup, pace: Pace) -> Result<Started<Self>, Failure> {
        let shop = Shop::open(stack, setup)?;
        let history = Arc::new(History::start());
        let common = Arc::new(Common::new(shop, history.clone()));
        let watch = Watch::start(stack)?;
        let load = Load::start(common.clone(), pace)?;
        Ok((Self { common, load, watch }, history))
    }

    fn finish(
        self,
        stack: &Stack,
        history: &History<Try>,
        violations: &mut Vec<Violation>,
    ) -> Result<(Vec<Stored>, Vec<Looked>), Failure> {
        self.load.finish()?;
        stack.primary().wait_until_ready()?;
        let repeated = look::repeat(&self.common, &history.attempts());
        let readings = self.watch.finish()?;
        let (rows, stock) = stored(&mut stack.primary().client()?)?;
        let (products, tries) = (&self.common.shop.products, &history.attempts());
        violations.extend(check(&Scene {
            products,
            tries,
            stored: &rows,
            stock: &stock,
            readings: &readings,
        }));
        if readings.count == 0 {
            violations.push(Violation { broken: Broken::Other, what: "nobody has watched the stock".into() });
        }
        match stack.primary().deadlocks() {
            0 => {}
            some => violations.push(Violation { broken: Broken::Deadlock, what: some.to_string() }),
        }
        for wrong in history.wrong_reads() {
            violations.push(Violation { broken: Broken::WrongRead, what: wrong.what });
        }
        history.record_read("stock in Postgres", |reads| reads.answered += readings.count);
        let mut looked = look::through_all(stack, &self.common.shop, &rows, violations)?;
        looked.iter_mut().for_each(|looked| looked.taken = repeated);
        Ok((rows, looked))
    }

    fn told(looked: &Looked) -> String {
        let Looked { by_id, by_search, taken, .. } = looked;
        format!("{by_id} orders by id, {by_search} on pages, {taken} keys asked again")
    }
}
