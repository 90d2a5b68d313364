//! What the engine counted, as `/metrics` shows it.

use super::server::Server;
use crate::http::route::metrics::{Limit, Timeout};
use crate::metrics::Exposition;

impl Server {
    /// What the engine counted.
    pub fn expose(&self, exposition: &mut Exposition) {
        let mut counts: Vec<_> = self.router().counts().collect();
        counts.sort_by_key(|count| (count.route, count.method, count.status.code()));
        for count in counts {
            let code = count.status.code().to_string();
            let labels = [("route", count.route), ("method", count.method), ("status", code.as_str())];
            exposition.sample(
                "http_requests_total",
                "Requests answered, by route template.",
                &labels,
                count.count,
            );
        }
        for total in self.router().totals() {
            total.expose(exposition);
        }
        for timed in self.router().seconds() {
            let labels = [("route", timed.route), ("method", timed.method)];
            let help =
                "From the read that ended the head to the whole answer in the output, by route template.";
            exposition.histogram("http_request_duration_seconds", help, &labels, &timed.seconds);
        }
        let metrics = self.metrics();
        exposition.atomic("pouco_connections_accepted_total", "Connections accepted.", &metrics.accepted);
        exposition.atomic("pouco_connections_open", "Connections open now.", &metrics.open_connections);
        let help = "Idle connections that were told to make room for others.";
        exposition.atomic("pouco_connections_evicted_total", help, &metrics.evicted);
        let help = "Connections cut for what stood in the place of a PROXY header.";
        exposition.atomic("pouco_proxy_header_failures_total", help, &metrics.proxy_failures);
        let limit = self.limits().connections;
        exposition.sample("pouco_connections_limit", "Connections that may be open.", &[], limit);
        let help = "Bytes by which the buffers of all requests have grown.";
        exposition.sample("pouco_request_buffer_bytes", help, &[], self.request_bytes());
        let help = "Bytes by which they may grow.";
        exposition.sample("pouco_request_buffer_limit_bytes", help, &[], self.limits().request_bytes);
        let help = "Bytes by which the buffers of all answers have grown.";
        exposition.sample("pouco_answer_buffer_bytes", help, &[], self.answer_bytes());
        let help = "Bytes by which they may grow.";
        exposition.sample("pouco_answer_buffer_limit_bytes", help, &[], self.limits().answer_bytes);
        exposition.atomic(
            "pouco_accept_failures_total",
            "Accepts without a descriptor or memory.",
            &metrics.accept_failures,
        );
        for limit in Limit::ALL {
            let labels = [("limit", limit.label())];
            let hits = metrics.limit_hits(*limit);
            exposition.sample("pouco_http_limit_hits_total", "Limits that clients hit.", &labels, hits);
        }
        for timeout in Timeout::ALL {
            let labels = [("kind", timeout.label())];
            let ended = metrics.timeouts(*timeout);
            exposition.sample("pouco_http_timeouts_total", "Connections ended by a timeout.", &labels, ended);
        }
        exposition.atomic("pouco_handler_panics_total", "Handlers that panicked.", &metrics.panics);
    }
}
