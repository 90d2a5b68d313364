//! What is logged about single requests: their ids, and the lines of the access log. Where neither is wanted,
//! which is the usual case, a request costs one look at a flag.

use std::sync::Arc;
use std::time::Instant;

use super::answering::Answering;
use super::wire::Wire;
use crate::http::message::fields::Field;
use crate::http::message::head::Head;
use crate::http::message::request_head::RequestHead;
use crate::http::message::status::Status;
use crate::http::route::router::Series;
use crate::identity::{self, Identity};
use crate::logging::{self, Event, Value};

/// The field that has a request's name, in both directions.
const REQUEST_ID: &str = "x-request-id";
/// W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";

/// What a server tells of single requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reporting {
    /// Whether each request has a name: that of its `X-Request-Id`, or one of our own. The answer has it,
    /// with the `traceparent` if the request had one, and so has every line that is logged meanwhile.
    pub names: bool,
    /// Which requests have a line in the log.
    pub access: Access,
    /// What of a request may be personal, and stands in its line nevertheless.
    pub details: Details,
}

/// Which requests have a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// None.
    #[default]
    Off,
    /// Those that were answered with a 5xx.
    Errors,
    /// One in so many, and those.
    OneIn(u64),
}

/// What may be personal, or a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The path as it was sent, together with the route's template.
    pub path: bool,
    /// The query as it was sent.
    pub query: bool,
    /// The client's address, as [`RequestHead::client`] has it.
    pub client: bool,
    /// `User-Agent`.
    pub agent: bool,
}

impl Details {
    /// The words of a comma-separated list; `None` if one of them is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut details = Self::default();
        if text == "none" {
            return Some(details);
        }
        for word in text.split(',').map(str::trim) {
            match word {
                "path" => details.path = true,
                "query" => details.query = true,
                "client" => details.client = true,
                "agent" => details.agent = true,
                _ => return None,
            }
        }
        Some(details)
    }
}

impl Reporting {
    pub(super) fn is_on(self) -> bool {
        self.names || self.access != Access::Off
    }
}

/// What is known of the present request from its arrival to its line.
#[derive(Default)]
pub(super) struct Present {
    met: bool,
    sampled: bool,
    /// When it was met, if its read was not timed.
    began: Option<Instant>,
    identity: Option<Arc<Identity>>,
    /// The field lines of its answer.
    fields: String,
}

impl Present {
    pub(super) fn fields(&self) -> &str {
        &self.fields
    }
}

/// What became of a request.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) status: Status,
    pub(super) series: Series,
    /// Bytes of the answer with its head; `None` if it has left in parts.
    pub(super) bytes: Option<usize>,
}

impl Answering {
    /// A request has a head, and is about to be answered. It may be met twice, before its body and with it.
    #[inline]
    pub(super) fn meet(&mut self, wire: &Wire<'_>, fields: &[Field<'_>]) {
        if wire.shared.reports {
            self.note_arrival(wire, fields);
        }
    }

    #[cold]
    #[inline(never)] // no part of the usual request's stack
    fn note_arrival(&mut self, wire: &Wire<'_>, fields: &[Field<'_>]) {
        let Reporting { names, access, .. } = wire.shared.reporting;
        if std::mem::replace(&mut self.present.met, true) {
            return;
        }
        self.present.sampled = match access {
            Access::OneIn(1) => true,
            Access::OneIn(several) => fastrand::u64(..several) == 0,
            Access::Off | Access::Errors => false,
        };
        if self.present.sampled && self.timing.came().is_none() {
            self.present.began = Some(Instant::now());
        }
        if names {
            let named = Identity::new(only(fields, REQUEST_ID), only(fields, TRACEPARENT));
            self.present.fields.push_str(&format!("{REQUEST_ID}: {}\r\n", named.id()));
            if let Some(parent) = named.traceparent() {
                self.present.fields.push_str(&format!("{TRACEPARENT}: {parent}\r\n"));
            }
            let named = Arc::new(named);
            identity::set_current(Some(named.clone()));
            self.present.identity = Some(named);
        }
    }

    /// A request was answered: by a handler, or by the engine, which may know nothing of it.
    #[inline]
    pub(super) fn report(&mut self, wire: &Wire<'_>, request: Option<(&Head<'_>, &[Field<'_>])>, told: Told) {
        if wire.shared.reports {
            self.tell(wire, request, told);
        }
    }

    #[cold]
    #[inline(never)] // as above
    fn tell(&mut self, wire: &Wire<'_>, request: Option<(&Head<'_>, &[Field<'_>])>, told: Told) {
        let Reporting { names, access, details } = wire.shared.reporting;
        let is_error = told.status.code() >= 500 && access != Access::Off;
        if self.present.sampled || is_error {
            let (route, method) = wire.shared.router.label(told.series);
            let method = request.map_or(method, |(head, _)| head.method.as_str());
            let mut members = vec![
                ("method", Value::text(method)),
                ("route", Value::text(route)),
                ("status", Value::Number(u64::from(told.status.code()))),
            ];
            if let Some(bytes) = told.bytes {
                members.push(("bytes", Value::Number(bytes as u64)));
            }
            if let Some(began) = self.timing.came().or(self.present.began) {
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                members.push(("duration_us", Value::Number(micros)));
            }
            if let Some((head, fields)) = request {
                add_details(&mut members, details, &RequestHead::new(head, fields, Some(wire)));
            }
            let identity = self.present.identity.take();
            logging::tell(Event { target: "pouco::access", message: "access".into(), members, identity });
        }
        let mut fields = std::mem::take(&mut self.present.fields);
        fields.clear();
        self.present = Present { fields, ..Present::default() };
        if names {
            identity::set_current(None);
        }
    }
}

fn add_details(members: &mut Vec<(&'static str, Value)>, details: Details, head: &RequestHead<'_>) {
    if details.path {
        members.push(("path", Value::text(head.path())));
    }
    if details.query && !head.query().is_empty() {
        members.push(("query", Value::text(head.query())));
    }
    if details.client
        && let Some(client) = head.client()
    {
        members.push(("client", Value::Text(client.to_string())));
    }
    if details.agent
        && let Some(agent) = head.header("user-agent")
    {
        members.push(("agent", Value::text(&String::from_utf8_lossy(agent))));
    }
}

/// The value of a field that stands there once; of several nobody knows which counts.
fn only<'f>(fields: &[Field<'f>], name: &str) -> Option<&'f [u8]> {
    let mut values = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
    let value = values.next()?.value;
    values.next().is_none().then_some(value)
}
