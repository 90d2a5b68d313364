//! Dashboards and alert rules by what can be told without Prometheus: every metric that they name exists,
//! every rule has its words and its cases. `tests/stack/observability.sh` runs all of them in a real one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Name and content of each.
fn dashboards(folder: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, json)
        })
        .collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice)
}

/// Names of metrics in a query: words that begin as ours do, outside of quotes.
fn metrics(query: &str) -> BTreeSet<String> {
    let unquoted: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let words = unquoted.split(|char: char| !char.is_ascii_alphanumeric() && !"_$".contains(char));
    let begins = ["http_", "pouco_", "container_", "nginx_", "process_"];
    words.filter(|word| begins.iter().any(|begin| word.starts_with(begin))).map(str::to_owned).collect()
}

/// Names in the first column of the documents' tables.
fn documented() -> BTreeSet<String> {
    let documents = read("docs/metrics.md") + &read("docs/observability.md");
    let rows = documents.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

fn assert_documented(place: &str, query: &str) {
    let documented = documented();
    let named = metrics(query);
    for name in &named {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let known = documented.contains(name) || base.is_some_and(|base| documented.contains(base));
        assert!(known, "{place}: no document knows {name}: {query}");
    }
    assert!(!named.is_empty() || query.contains("up{"), "{place}: no metric in {query}");
}

#[test]
fn every_panel_says_what_it_shows_and_asks_for_metrics_that_there_are() {
    let all = dashboards("deploy/grafana/dashboards");
    assert!(all.len() >= 5, "{} dashboards", all.len());
    for (name, dashboard) in all {
        assert_form(&name, "pouco", &dashboard);
        let variables: Vec<String> = items(&dashboard, "/templating/list")
            .iter()
            .map(|variable| {
                assert_documented(&name, text(variable, "/query/query"));
                format!("${}", text(variable, "/name"))
            })
            .collect();
        for panel in items(&dashboard, "/panels") {
            let place = format!("{name}, {}", text(panel, "/title"));
            assert_eq!(text(panel, "/datasource/uid"), "prometheus", "{place}");
            for target in items(panel, "/targets") {
                let query = text(target, "/expr");
                assert_documented(&place, query);
                let known = |used: &str| {
                    used.starts_with("__rate_interval")
                        || variables.iter().any(|known| used.starts_with(&known[1..]))
                };
                assert!(query.split('$').skip(1).all(known), "{place}: an unknown variable in {query}");
            }
        }
    }
}

/// Of the comparison: other programs' metrics are in them, which `tests/stack/inventory.sh` asks for.
#[test]
fn the_inventorys_panels_say_what_they_show_and_know_their_variables() {
    let all = dashboards("deploy/grafana/inventory/dashboards");
    let documented = documented();
    assert_eq!(all.len(), 3);
    for (name, dashboard) in all {
        assert_form(&name, "inventory", &dashboard);
        let variables = items(&dashboard, "/templating/list").iter().map(|variable| text(variable, "/name"));
        let grafanas = ["__rate_interval", "__interval", "timeFilter", "/"];
        let known: Vec<&str> = variables.chain(grafanas).collect();
        for panel in items(&dashboard, "/panels") {
            let place = format!("{name}, {}", text(panel, "/title"));
            for target in items(panel, "/targets") {
                let source = text(target, "/datasource/uid");
                assert_eq!(source, text(panel, "/datasource/uid"), "{place}");
                let query = match source {
                    "prometheus" => text(target, "/expr"),
                    "influxdb" => text(target, "/query"),
                    other => panic!("{place}: a data source {other}"),
                };
                assert!(!query.is_empty(), "{place}");
                let is_known = |used: &str| known.iter().any(|known| used.starts_with(known));
                assert!(query.split('$').skip(1).all(is_known), "{place}: an unknown variable in {query}");
                for metric in metrics(query).iter().filter(|metric| metric.starts_with("pouco_")) {
                    let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end));
                    let there = documented.contains(metric) || base.is_some_and(|it| documented.contains(it));
                    assert!(there, "{place}: no document knows {metric}");
                }
            }
        }
    }
}

/// What each panel must have, whatever it asks for.
fn assert_form(name: &str, prefix: &str, dashboard: &Value) {
    assert_eq!(text(dashboard, "/uid"), format!("{prefix}-{name}"));
    let mut ids = BTreeSet::new();
    for panel in items(dashboard, "/panels") {
        let place = format!("{name}, {}", text(panel, "/title"));
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{place}: its id is another one's");
        for pointer in ["/title", "/description", "/type", "/fieldConfig/defaults/unit"] {
            assert!(!text(panel, pointer).is_empty(), "{place}: no {pointer}");
        }
        assert!(!items(panel, "/targets").is_empty(), "{place}: no query");
    }
    assert!(!ids.is_empty(), "{name}: no panel");
}

/// A rule as it stands in the file.
struct Rule {
    name: String,
    body: String,
}

fn rules() -> Vec<Rule> {
    let file = read("deploy/prometheus/alerts.yml");
    let found: Vec<Rule> = file
        .split("- alert: ")
        .skip(1)
        .map(|rule| {
            let (name, body) = rule.split_once('\n').unwrap();
            Rule { name: name.trim().to_owned(), body: body.to_owned() }
        })
        .collect();
    assert!(found.len() >= 15, "{} rules", found.len());
    found
}

#[test]
fn every_rule_has_its_words_and_a_case_of_either_kind() {
    let cases = read("deploy/prometheus/alerts_test.yml");
    let guide = read("docs/observability.md");
    for Rule { name, body } in rules() {
        let field = |key: &str| {
            let line = body.lines().find_map(|line| line.trim().strip_prefix(key));
            line.unwrap_or_else(|| panic!("{name}: no {key}")).trim().to_owned()
        };
        assert_documented(&name, &field("expr:"));
        assert!(
            ["{ severity: critical }", "{ severity: warning }"].contains(&field("labels:").as_str()),
            "{name}"
        );
        assert!(field("summary:").len() > 20 && field("description:").len() > 80, "{name}: too few words");
        let of_it: Vec<&str> = cases
            .split("  - name: ")
            .filter(|case| case.contains(&format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}")))
            .collect();
        assert!(
            of_it.iter().any(|case| case.contains("exp_samples: []")),
            "{name}: no case in which it is silent"
        );
        assert!(
            of_it.iter().any(|case| case.contains("exp_samples:\n")),
            "{name}: no case in which it fires"
        );
        assert!(guide.contains(&format!("`{name}`")), "docs/observability.md lacks {name}");
    }
}

#[test]
fn a_metric_in_quotes_or_by_another_name_is_none() {
    let query = r#"sum by (route) (rate(http_requests_total{route="http_x",instance=~"$replica"}[5m])) / up"#;
    assert_eq!(metrics(query), BTreeSet::from(["http_requests_total".to_owned()]));
}
