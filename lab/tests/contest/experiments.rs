//! `pouco-lab experiment` with a contestant whose setting is whether it lies.

use std::fs;

use pouco_lab::record::Status;

use crate::{database, scenarios};

const EXPERIMENT: &str = r#"
title = "Lies"
about = "A list that is whole, and one that is not."
contest = "tiny-scenarios"
load = "03-db-read"
seconds = 2
times = 1
clients = 4
figures = ["p99-ms", "wait-p99-ms"]
same_bodies = "/users"

[[line]]
name = "lies"
contestant = "honest"
values = ["no", "yes"]
environment = { TINY_LIES = "{value}" }

[[wait]]
address = "127.0.0.1:{port}"
path = "/waits"
histogram = "wait_seconds"

[bench]
title = "µs a body"
command = ["echo", '{"name":"by hand","value":1.5}']
"#;

#[test]
fn an_experiment_has_its_points_in_turn_and_one_with_another_body_is_not_measured() {
    let (cluster, _data) = database();
    let folder = tempfile::tempdir().unwrap();
    let experiments = folder.path().join("experiments");
    fs::create_dir(&experiments).unwrap();
    let arguments = ["experiment", "lies", "--experiments", experiments.to_str().unwrap()];
    let (reserved, mut lab) = scenarios::lab_of(folder.path(), &cluster, "scenarios-peers", &arguments);
    let port = reserved.local_addr().unwrap().as_socket().unwrap().port();
    fs::write(experiments.join("lies.toml"), EXPERIMENT.replace("{port}", &port.to_string())).unwrap();
    let output = lab.output().unwrap();
    cluster.stop();
    assert_eq!(output.status.code(), Some(1), "one point has failed: {output:?}");

    let out = folder.path().join("out");
    let record = pouco_lab::runner::read(&out).unwrap().unwrap();
    let attempts: Vec<_> =
        record.attempts.iter().map(|it| (it.contestant.as_str(), it.verdict.status)).collect();
    assert_eq!(attempts, [("honest:lies-no", Status::Valid), ("honest:lies-yes", Status::Failed)]);
    let reasons = &record.attempts[1].verdict.reasons;
    assert!(reasons[0].contains("/users: its body is not the same document"), "{reasons:?}");
    assert_eq!(record.load_name.as_deref(), Some("03-db-read with 4 clients"));
    let load = record.attempts[0].load.as_ref().unwrap();
    let wait = &load.requests["(wait for a connection)"];
    // One statement a list, and the look before the load is not among them.
    assert_eq!(wait.count, load.total.count, "{load:?}");

    let report = fs::read_to_string(out.join("experiment.md")).unwrap();
    for said in
        ["honest:lies-no", "honest:lies-yes", "not the same document", "by hand", "Wait for a connection"]
    {
        assert!(report.contains(said), "{said}: {report}");
    }
    let page = fs::read_to_string(out.join("experiment.html")).unwrap();
    assert!(page.matches("<svg viewBox").count() >= 2, "{page}");
}
