//! The requests of a contest, made ready: what is the same each time stands there, what differs is put in.

use anyhow::{Context, Error, Result, bail, ensure};

use super::Plan;
use super::drawn::Draw;
use super::errand::Kind;
use crate::contest::{Request, Scenario};
use crate::oracle::scenarios::Task;
use crate::oracle::{Check, Oracle};

const JSON: &str = "application/json";

/// Parts of all shares of a mix, in lowest terms.
const MAX_DECK: u64 = 1_000;

/// What a `Location` may be at most; longer ones end the chain.
pub(super) const MAX_LOCATION_BYTES: usize = 2048;

/// A scenario, ready to be sent.
pub(super) struct Chain {
    pub(super) requests: Vec<Ready>,
    /// Of a mix, in which a user sends one request: the place of each as often as its share says. Empty where
    /// a user sends all of them.
    pub(super) deck: Vec<usize>,
}

/// A request, ready to be sent.
pub(super) struct Ready {
    pub(super) name: String,
    /// Statuses that are no failure.
    pub(super) accept: Vec<u16>,
    /// Bounds of the pause before it, in nanoseconds.
    pub(super) pause: Option<(u64, u64)>,
    /// It takes the next line of the payload file: a creation.
    pub(super) body: bool,
    /// A later request of the chain goes where this one's `Location` says.
    pub(super) must_locate: bool,
    pub(super) needs_location: bool,
    pub(super) needs_term: bool,
    /// What it takes from the contest's data.
    pub(super) draw: Option<Draw>,
    /// What it is about in a shop.
    pub(super) errand: Option<Kind>,
    /// What it asks for in a contest of scenarios.
    pub(super) task: Option<Task>,
    pub(super) check: Option<Check>,
    /// An answer to `HEAD` has no body.
    pub(super) head: bool,
    path: Vec<Part>,
    /// Method and blank.
    before: Vec<u8>,
    has_body: bool,
    /// The rest of the head; with a body, up to its length.
    after: Vec<u8>,
}

enum Part {
    Text(String),
    Term,
    Location,
    /// What the request draws.
    Drawn(Draw),
    /// What the errand is about.
    Errand(Kind),
    /// What a scenario's oracle asks for.
    Asked,
}

impl Chain {
    pub(super) fn new(scenario: &Scenario, plan: &Plan) -> Result<Self> {
        let mut requests = Vec::with_capacity(scenario.requests.len());
        for (index, request) in scenario.requests.iter().enumerate() {
            let later = &scenario.requests[index + 1..];
            let mut ready = Ready::new(request, plan).with_context(|| format!("request {}", request.name))?;
            ready.must_locate = ready.body && later.iter().any(|request| request.path.contains("{location}"));
            requests.push(ready);
        }
        ensure!(!requests.is_empty(), "scenario {}: no request", scenario.name);
        Ok(Self { requests, deck: deck(&scenario.requests)? })
    }

    /// How many requests a user sends who is always answered well.
    pub(super) fn length(&self) -> usize {
        if self.deck.is_empty() { self.requests.len() } else { 1 }
    }
}

/// Places of requests by their shares, in lowest terms; nothing where they have none.
fn deck(requests: &[Request]) -> Result<Vec<usize>> {
    let shares: Vec<u32> = requests.iter().filter_map(|request| request.share).collect();
    let divisor = shares.iter().copied().fold(0, greatest_common_divisor).max(1);
    let sum = shares.iter().map(|share| u64::from(share / divisor)).sum::<u64>();
    ensure!(sum <= MAX_DECK, "shares: at most {MAX_DECK} parts in all, not {sum}");
    let places = |(place, share): (usize, u32)| std::iter::repeat_n(place, (share / divisor) as usize);
    Ok(shares.into_iter().enumerate().flat_map(places).collect())
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

/// Whether there is something to send for each request.
pub(super) fn check_lines(plan: &Plan, chains: &[Chain]) -> Result<()> {
    for request in chains.iter().flat_map(|chain| &chain.requests) {
        let name = &request.name;
        ensure!(!request.body || plan.payloads.count() > 0, "request {name}: there are no payloads");
        ensure!(!request.needs_term || plan.terms.count() > 0, "request {name}: there are no terms");
        if let Some(draw) = request.draw {
            let (rows, ids) = (plan.payloads.count(), plan.terms.count());
            let enough = rows == ids && rows >= draw.least_rows();
            ensure!(enough, "request {name}: {rows} rows of data and {ids} ids are not enough");
        }
    }
    Ok(())
}

impl Ready {
    fn new(request: &Request, plan: &Plan) -> Result<Self> {
        let token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(token(&request.method), "method: visible ASCII letters, not '{}'", request.method);
        let path = parts(&request.path)?;
        let of_path =
            path.iter().find_map(|part| if let Part::Errand(kind) = part { Some(*kind) } else { None });
        let (body, errand) = match request.body.as_deref() {
            None => (false, of_path),
            Some("payload") => (true, None),
            Some("order") => (false, Some(Kind::Buy)),
            Some("basket") => (false, Some(Kind::Basket)),
            Some("restock") => (false, Some(Kind::Restock)),
            Some("removal") => (false, Some(Kind::Remove)),
            Some("login") => (false, Some(Kind::LogIn)),
            Some(other) => bail!(
                "body: 'payload', 'order', 'basket', 'restock', 'removal', 'login' or absent, not '{other}'"
            ),
        };
        ensure!(errand.is_none() || plan.shop.is_some(), "it is about a shop, and there is none");
        let of_oracle = |oracle: &dyn Oracle| {
            Ok::<_, Error>((oracle.task(&request.method, &request.path)?, oracle.check(&request.path)?))
        };
        let (task, check) = plan.oracle.map(of_oracle).transpose()?.unwrap_or_default();
        let content_type = match (errand, task) {
            (Some(Kind::LogIn), _) => Some("application/x-www-form-urlencoded".to_owned()),
            (Some(Kind::Buy | Kind::Basket | Kind::Restock | Kind::Remove), _) => Some(JSON.to_owned()),
            (_, Some(task)) => task.content_type(),
            _ => body.then(|| JSON.to_owned()),
        };
        let needs_location = path.iter().any(|part| matches!(part, Part::Location));
        let needs_term = path.iter().any(|part| matches!(part, Part::Term));
        let pause = match request.pause_ms {
            None => None,
            Some((low, high)) => {
                ensure!(
                    low >= 0.0 && high >= low,
                    "pause_ms: two numbers from 0 on, the second not below the first"
                );
                Some((super::arrivals::nanos(low / 1e3), super::arrivals::nanos(high / 1e3)))
            }
        };
        let draw = drawn(&path)?;
        Ok(Self {
            name: request.name.clone(),
            accept: request.accept.clone(),
            pause,
            body,
            must_locate: false,
            needs_location,
            needs_term,
            draw,
            errand,
            task,
            check,
            head: request.method == "HEAD",
            path,
            before: format!("{} ", request.method).into_bytes(),
            has_body: content_type.is_some(),
            after: rest_of_head(plan, task.map_or("", Task::headers), content_type.as_deref())?,
        })
    }

    /// Writes the request to `output`.
    pub(super) fn render(
        &self,
        output: &mut Vec<u8>,
        payload: &[u8],
        term: &[u8],
        location: &str,
        drawn: &[u8],
        token: Option<&str>,
    ) {
        output.extend_from_slice(&self.before);
        for part in &self.path {
            match part {
                Part::Text(text) => output.extend_from_slice(text.as_bytes()),
                Part::Term => percent_encode(output, term),
                Part::Location => output.extend_from_slice(location.as_bytes()),
                Part::Drawn(_) | Part::Errand(_) | Part::Asked => output.extend_from_slice(drawn),
            }
        }
        output.extend_from_slice(b" HTTP/1.1\r\n");
        if let Some(token) = token {
            output.extend_from_slice(b"authorization: Bearer ");
            output.extend_from_slice(token.as_bytes());
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(&self.after);
        if self.has_body {
            output.extend_from_slice(payload.len().to_string().as_bytes());
            output.extend_from_slice(b"\r\n\r\n");
            output.extend_from_slice(payload);
        }
    }
}

/// `own` are header lines of this request, each with its end.
fn rest_of_head(plan: &Plan, own: &str, content_type: Option<&str>) -> Result<Vec<u8>> {
    let mut rest = format!("host: {}\r\n{own}", plan.host);
    for (name, value) in &plan.load.headers {
        let plain = |text: &str| text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        ensure!(
            plain(name) && !name.contains([':', ' ']) && !name.is_empty() && plain(value),
            "header '{name}': visible ASCII letters and blanks are allowed"
        );
        rest.push_str(&format!("{name}: {value}\r\n"));
    }
    match content_type {
        Some(kind) => rest.push_str(&format!("content-type: {kind}\r\ncontent-length: ")),
        None => rest.push_str("\r\n"),
    }
    Ok(rest.into_bytes())
}

fn parts(path: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            parts.push(Part::Text(rest[..open].to_owned()));
        }
        let close = rest[open..].find('}').context("path: '{' without '}'")? + open;
        parts.push(match &rest[open..=close] {
            "{term}" => Part::Term,
            "{location}" => Part::Location,
            "{user_id}" => Part::Drawn(Draw::StoredId),
            "{unknown_id}" => Part::Drawn(Draw::UnknownId),
            "{offset}" => Part::Drawn(Draw::Offset { limit: limit_of(path)? }),
            "{product_id}" => Part::Errand(Kind::Look),
            "{skip}" => Part::Errand(Kind::Browse),
            "{asked}" => Part::Asked,
            other => bail!(
                "path: {{term}}, {{location}}, {{user_id}}, {{unknown_id}}, {{offset}}, {{product_id}}, {{skip}} and \
                 {{asked}} are placeholders, '{other}' is none"
            ),
        });
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    let text = |part: &Part| match part {
        Part::Text(text) => text.bytes().all(|byte| byte.is_ascii_graphic()),
        _ => true,
    };
    ensure!(!parts.is_empty() && parts.iter().all(text), "path: visible ASCII letters, not '{path}'");
    Ok(parts)
}

/// How many rows a list asks for, which says at which offsets a whole page begins.
fn limit_of(path: &str) -> Result<usize> {
    let value = path.split(['?', '&']).find_map(|part| part.strip_prefix("limit="));
    value.and_then(|value| value.parse().ok()).context("path: {offset} needs a limit=NUMBER beside it")
}

/// The one thing of the data that a path asks for.
fn drawn(path: &[Part]) -> Result<Option<Draw>> {
    let mut all =
        path.iter().filter_map(|part| if let Part::Drawn(draw) = part { Some(*draw) } else { None });
    let first = all.next();
    ensure!(all.next().is_none(), "path: one of {{user_id}}, {{unknown_id}} and {{offset}}, once");
    Ok(first)
}

/// Everything but letters, digits and `-._~` as `%XX`, byte by byte.
pub(crate) fn percent_encode(output: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            output.push(byte);
        } else {
            output.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// The path that a `Location` names: itself, or what follows scheme and address. `None` if it is neither, too
/// long, or holds what a request line may not.
pub(super) fn path_of(location: &str) -> Option<&str> {
    let path = if location.starts_with('/') {
        location
    } else {
        let (_, rest) = location.split_once("://")?;
        &rest[rest.find('/')?..]
    };
    (path.len() <= MAX_LOCATION_BYTES && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_encoded_byte_by_byte() {
        let mut output = Vec::new();
        percent_encode(&mut output, "a-Z.0_~ &=+%/çã😀\"".as_bytes());
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "a-Z.0_~%20%26%3D%2B%25%2F%C3%A7%C3%A3%F0%9F%98%80%22"
        );
    }

    #[test]
    fn locations_are_paths_or_whole_addresses() {
        assert_eq!(path_of("/pessoas/1"), Some("/pessoas/1"));
        assert_eq!(path_of("http://localhost:9999/pessoas/1"), Some("/pessoas/1"));
        assert_eq!(path_of("pessoas/1"), None);
        assert_eq!(path_of("http://localhost"), None);
        assert_eq!(path_of("/a b"), None);
        assert_eq!(path_of(&format!("/{}", "a".repeat(MAX_LOCATION_BYTES))), None);
    }

    #[test]
    fn a_mix_is_dealt_in_its_lowest_terms() {
        let request = |share| Request {
            name: String::new(),
            method: "GET".into(),
            path: "/".into(),
            body: None,
            accept: vec![200],
            pause_ms: None,
            share,
        };
        let dealt = |shares: &[u32]| {
            let requests: Vec<Request> = shares.iter().map(|share| request(Some(*share))).collect();
            deck(&requests)
        };
        assert_eq!(dealt(&[5, 15, 10]).unwrap(), [0, 1, 1, 1, 2, 2]);
        assert_eq!(dealt(&[7]).unwrap(), [0]);
        assert!(deck(&[request(None), request(None)]).unwrap().is_empty());
        assert!(dealt(&[1, 4_000_000_000]).is_err());
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        assert!(parts("/pessoas/{id}").is_err());
        assert!(parts("/pessoas/{term").is_err());
        assert!(parts("/a b").is_err());
        assert_eq!(parts("/pessoas?t={term}&x=1").unwrap().len(), 3);
        assert!(parts("/users?offset={offset}").is_err(), "no limit");
        let draw = |path| drawn(&parts(path).unwrap());
        assert_eq!(draw("/users?limit=50&offset={offset}").unwrap(), Some(Draw::Offset { limit: 50 }));
        assert_eq!(draw("/users/{user_id}").unwrap(), Some(Draw::StoredId));
        assert!(draw("/users/{user_id}/{unknown_id}").is_err());
    }
}
