//! An order as an API answers it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::oracle::inventory::{Line, Order};

#[derive(Deserialize)]
struct Body<'a> {
    id: i64,
    customer_id: i64,
    #[serde(default)]
    status: String,
    #[serde(borrow)]
    total_amount: &'a RawValue,
    #[serde(borrow)]
    items: Vec<LineBody<'a>>,
}

#[derive(Deserialize)]
struct LineBody<'a> {
    product_id: i64,
    quantity: i64,
    #[serde(borrow)]
    unit_price: &'a RawValue,
}

/// Its id, and what it says of itself.
///
/// # Errors
/// It is no order, or an amount is none.
pub(crate) fn told(body: &[u8]) -> Result<(i64, Order), &'static str> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|_| "the body is no order in JSON")?;
    let cents = |number: &RawValue| cents(number).ok_or("an amount of the order is no money");
    let line = |line: &LineBody<'_>| {
        let cents = cents(line.unit_price)?;
        Ok::<_, &'static str>(Line { product: line.product_id, quantity: line.quantity, cents })
    };
    let mut lines = body.items.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    lines.sort_unstable();
    let total = cents(body.total_amount)?;
    Ok((body.id, Order { customer: body.customer_id, status: body.status, total, lines }))
}

/// Hundredths of a JSON number, to the digit: `10.1` and `10.10` are one, `0.30000000000000004` is none.
pub(super) fn cents(number: &RawValue) -> Option<i64> {
    let (whole, decimals) = number.get().split_once('.').unwrap_or((number.get(), ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (given, rest) = decimals.split_at_checked(2).unwrap_or((decimals, ""));
    if !plain(whole) || !plain(given) || rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    format!("{whole}{given:0<2}").parse().ok()
}
