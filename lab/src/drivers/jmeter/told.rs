//! Who else is told of JMeter's samples while a plan runs: an InfluxDB, by JMeter's own listener, and
//! Prometheus, by what the lab reads of the JTL. Neither is in the plan, nor in the way of a run: an InfluxDB
//! that is away is a note next to the figures.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The tag of the reported application, if none is given.
const USUAL_APPLICATION: &str = "inventory";

/// Where an InfluxDB of version 1 is written to, in a database of JMeter's usual name.
const USUAL_PATH: &str = "/write?db=jmeter";

/// Each of its lines that tells of a failure begins like this behind date and level.
const SENDER: &str = ".HttpMetricsSender: ";

/// Of JMeter's log, which grows by a stack trace with each failure.
const MAX_LOG_BYTES: u64 = 256 << 20;

const CLIENT: &str = "org.apache.jmeter.visualizers.backend.influxdb.InfluxdbBackendListenerClient";
const METRICS_SENDER: &str = "org.apache.jmeter.visualizers.backend.influxdb.HttpMetricsSender";

/// Of JMeter's listener, in milliseconds. It drops what it could not send, and its own timeouts are those of
/// a machine with nothing else to do: 100 ms for a connection of its own pool.
const PATIENCE: [(&str, &str); 3] = [
    ("backend_influxdb.connection_request_timeout", "10000"),
    ("backend_influxdb.connection_timeout", "10000"),
    ("backend_influxdb.socket_timeout", "30000"),
];

/// Where samples are reported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The tag `application` of all that is told.
    pub(super) application: String,
    influx: Option<Influx>,
    metrics: Option<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Influx {
    url: String,
    /// Of version 2.
    token: Option<String>,
}

impl Default for Told {
    fn default() -> Self {
        Self { application: USUAL_APPLICATION.to_owned(), influx: None, metrics: None }
    }
}

impl Told {
    /// Nobody is told yet: `influx` is looked at, and whether `metrics` is free to be listened at.
    ///
    /// # Errors
    /// The URL is none of HTTP's, a text cannot stand in a plan, or the address is taken.
    pub fn new(
        application: Option<&str>,
        influx: Option<&str>,
        token: Option<String>,
        metrics: Option<SocketAddr>,
    ) -> Result<Self> {
        let application = application.unwrap_or(USUAL_APPLICATION).to_owned();
        ensure!(!application.is_empty(), "--application: a name is missing");
        let influx = influx.map(|url| whole_url(url).map(|url| Influx { url, token })).transpose()?;
        let texts = influx.iter().flat_map(|it| [Some(&it.url), it.token.as_ref()]).flatten();
        for text in texts.chain([&application]) {
            let fits = !text.contains("${") && !text.chars().any(char::is_control);
            ensure!(fits, "{text:?}: JMeter would read more than a text in it");
        }
        let told = Self { application, influx, metrics };
        told.listen().map(drop)?;
        Ok(told)
    }

    /// Where metrics are to be asked for.
    ///
    /// # Errors
    /// Somebody else listens there.
    pub(super) fn listen(&self) -> Result<Option<TcpListener>> {
        let Some(address) = self.metrics else { return Ok(None) };
        let bound = TcpListener::bind(address).and_then(|listener| {
            // A client that has left before it is accepted is not waited for.
            listener.set_nonblocking(true).map(|()| listener)
        });
        bound.map(Some).with_context(|| format!("JMeter's metrics on {address}"))
    }

    /// The plan with all who are told of it in it, as a file in `folder` if it is another one than `plan`.
    ///
    /// # Errors
    /// The plan is none, or the file cannot be written.
    pub(super) fn plan(&self, plan: &Path, folder: &Path) -> Result<Option<PathBuf>> {
        let Some(influx) = &self.influx else { return Ok(None) };
        let shown = || plan.display().to_string();
        let text = fs::read_to_string(plan).with_context(shown)?;
        // Within the plan's own tree, behind all that is in it: so it hears of every sample.
        let end = "</hashTree>";
        let outer = text.rfind(end).unwrap_or_default();
        let inner = text[..outer].rfind(end).with_context(shown)?;
        let file = folder.join("plan.jmx");
        let with = format!("{}{}{}", &text[..inner], self.listener(influx), &text[inner..]);
        fs::write(&file, with).with_context(|| file.display().to_string())?;
        Ok(Some(file))
    }

    /// What JMeter is started with for it.
    pub(super) fn settings(&self) -> &[(&str, &str)] {
        if self.influx.is_some() { &PATIENCE } else { &[] }
    }

    fn listener(&self, influx: &Influx) -> String {
        let mut arguments = vec![
            ("influxdbMetricsSender", METRICS_SENDER),
            ("influxdbUrl", influx.url.as_str()),
            ("application", self.application.as_str()),
            ("measurement", "jmeter"),
            ("summaryOnly", "false"),
            ("samplersRegex", ".*"),
            ("percentiles", "50;90;95;99"),
            ("testTitle", self.application.as_str()),
            ("eventTags", ""),
        ];
        arguments.extend(influx.token.as_deref().map(|token| ("influxdbToken", token)));
        let listed: String = arguments.into_iter().map(argument).collect();
        format!(
            "<BackendListener guiclass=\"BackendListenerGui\" testclass=\"BackendListener\" \
             testname=\"InfluxDB\" enabled=\"true\">\n\
             <elementProp name=\"arguments\" elementType=\"Arguments\" guiclass=\"ArgumentsPanel\" \
             testclass=\"Arguments\" enabled=\"true\">\n\
             <collectionProp name=\"Arguments.arguments\">\n{listed}</collectionProp>\n</elementProp>\n\
             <stringProp name=\"classname\">{CLIENT}</stringProp>\n</BackendListener>\n<hashTree/>\n"
        )
    }

    /// What JMeter's log says of an InfluxDB that was not told, or was told and refused it.
    pub(super) fn missed(&self, log: &Path) -> Option<String> {
        let influx = self.influx.as_ref()?;
        let file = File::open(log).ok()?;
        let lines = BufReader::new(file.take(MAX_LOG_BYTES)).lines().map_while(Result::ok);
        let failures: Vec<String> = lines.filter_map(|line| failure(&line)).collect();
        let first = failures.first()?;
        // Whatever stands behind a question mark may be a password.
        let place = influx.url.split('?').next().unwrap_or_default();
        let times = failures.len();
        Some(format!(
            "InfluxDB at {place} could not be written to {times} times, and the run went on: {first}"
        ))
    }
}

fn whole_url(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let rest = rest.filter(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace));
    let rest = rest.with_context(|| format!("--influx {url}: http://HOST:PORT is allowed"))?;
    let path = if rest.trim_end_matches('/').contains('/') { "" } else { USUAL_PATH };
    Ok(if path.is_empty() { url.to_owned() } else { format!("{}{path}", url.trim_end_matches('/')) })
}

fn argument((name, value): (&str, &str)) -> String {
    let value = escaped(value);
    format!(
        "<elementProp name=\"{name}\" elementType=\"Argument\">\n\
         <stringProp name=\"Argument.name\">{name}</stringProp>\n\
         <stringProp name=\"Argument.value\">{value}</stringProp>\n\
         <stringProp name=\"Argument.metadata\">=</stringProp>\n</elementProp>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a line of the log says, if it is of a failure; without what could be long or secret.
fn failure(line: &str) -> Option<String> {
    let (before, said) = line.split_once(SENDER)?;
    let is_bad = [" ERROR ", " WARN "].iter().any(|level| before.contains(level));
    // The last request's failure has a line of its own already.
    if !is_bad || said.starts_with("Error waiting") {
        return None;
    }
    Some(match said.split_once("responseCode: ") {
        Some((_, rest)) => format!("status {}", rest.split(',').next().unwrap_or_default()),
        None => said.trim_end_matches('.').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "<jmeterTestPlan>\n<hashTree>\n<TestPlan/>\n<hashTree>\n<A/>\n<hashTree>\n</hashTree>\n\
                        </hashTree>\n</hashTree>\n</jmeterTestPlan>\n";

    fn told(influx: &str) -> Result<Told> {
        Told::new(Some("a & b"), Some(influx), Some("t<1>".into()), None)
    }

    #[test]
    fn the_listener_stands_last_in_the_plans_own_tree() {
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("given.jmx");
        fs::write(&plan, PLAN).unwrap();
        assert_eq!(Told::default().plan(&plan, folder.path()).unwrap(), None);
        let file = told("http://h:8086").unwrap().plan(&plan, folder.path()).unwrap().unwrap();
        let text = fs::read_to_string(file).unwrap();
        let (before, after) = text.split_once("<BackendListener ").unwrap();
        assert!(PLAN.starts_with(before), "{text}");
        assert!(after.ends_with("<hashTree/>\n</hashTree>\n</hashTree>\n</jmeterTestPlan>\n"), "{text}");
        for value in ["http://h:8086/write?db=jmeter", "a &amp; b", "t&lt;1&gt;", "50;90;95;99"] {
            assert!(text.contains(&format!("\"Argument.value\">{value}<")), "{value}: {text}");
        }
        fs::write(&plan, "no plan").unwrap();
        assert!(told("http://h:8086").unwrap().plan(&plan, folder.path()).is_err());
    }

    #[test]
    fn where_it_is_told_may_be_all_of_a_url_or_its_beginning() {
        for (given, whole) in [
            ("http://h:8086/", "http://h:8086/write?db=jmeter"),
            ("https://h/write?db=other&u=a&p=b", "https://h/write?db=other&u=a&p=b"),
            ("http://h/api/v2/write?org=o&bucket=b", "http://h/api/v2/write?org=o&bucket=b"),
        ] {
            assert_eq!(told(given).unwrap().influx.unwrap().url, whole);
        }
        for bad in ["h:8086", "http://", "http://a b", "http://h/${x}", "http://h/\u{7}"] {
            let error = told(bad).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert!(Told::new(Some(""), None, None, None).is_err());
    }

    #[test]
    fn a_port_that_is_taken_is_told_at_once() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = format!("{:#}", Told::new(None, None, None, Some(address)).unwrap_err());
        assert!(error.contains(&format!("JMeter's metrics on {address}")), "{error}");
    }

    #[test]
    fn failures_are_counted_and_say_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let begin = "2026-01-01 00:00:00,000";
        let sender = "o.a.j.v.b.i.HttpMetricsSender";
        let lines = [
            format!("{begin} INFO o.a.j.e.StandardJMeterEngine: Running the test!"),
            format!("{begin} ERROR {sender}: failed to send data to influxDB server."),
            "java.net.ConnectException: Connection refused".to_owned(),
            format!(
                "{begin} ERROR {sender}: Error writing metrics to influxDB Url: http://h/?p=secret, \
                     responseCode: 404, responseBody: {{}}"
            ),
            format!("{begin} INFO {sender}: Destroying "),
            format!("{begin} ERROR {sender}: Error waiting for last request to be send to InfluxDB"),
        ];
        fs::write(&log, lines.join("\n")).unwrap();
        let told = told("http://h:8086/write?db=jmeter&p=secret").unwrap();
        let said = told.missed(&log).unwrap();
        assert_eq!(
            said,
            "InfluxDB at http://h:8086/write could not be written to 2 times, and the run went on: \
             failed to send data to influxDB server"
        );
        assert_eq!(failure(&lines[3]).unwrap(), "status 404");
        fs::write(&log, &lines[0]).unwrap();
        assert_eq!(told.missed(&log), None);
        assert_eq!(Told::default().missed(&log), None);
    }
}
