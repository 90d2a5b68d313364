//! With the engine in `tests/engine`, which is a script: what engines do when something goes wrong cannot be
//! had from real ones.
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::json;

use super::*;

const ID: &str = "0c5dd6d1f0e7";

/// A project on the script, and the folder in which the script keeps its state.
fn project(url: &str) -> (Compose, PathBuf) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contestant = Contestant::read(&top.join("../peers/pouco")).unwrap();
    let mut contest = Contest::read(&top.join("contests/people")).unwrap();
    url.clone_into(&mut contest.url);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_path_buf();
    let engine = Engine::new(top.join("tests/engine/docker"), &state);
    let compose = Compose::with(engine, folder, &contest, &contestant, "after-commit").unwrap();
    (compose, state)
}

/// An address at which nobody listens, as long as nobody else asks the kernel for a port.
fn free_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn calls(state: &Path) -> String {
    fs::read_to_string(state.join("calls")).unwrap_or_default()
}

fn inspected(pid: u32) -> String {
    json!([{
        "Id": ID,
        "State": { "Pid": pid },
        "Config": { "Labels": { "com.docker.compose.service": "postgres" } },
    }])
    .to_string()
}

fn sleeper() -> Child {
    Command::new("sleep").arg("600").spawn().unwrap()
}

/// Compose says that all is well, as podman-compose does where an image is missing, and no container is
/// there.
fn nothing_is_made(compose: &mut Compose) {
    let error = format!("{:#}", compose.up().unwrap_err());
    let missing = "no container was made for api1, api2, nginx, postgres, whose image may be missing: ";
    assert!(error.contains(missing) && error.ends_with("short-name \"pouco\" did not resolve"), "{error}");
}

#[test]
fn what_compose_leaves_is_removed_before_and_after() {
    let (mut compose, state) = project(&free_url());
    let leave = || {
        fs::write(state.join("containers"), format!("{ID}\n")).unwrap();
        fs::write(state.join("volumes"), "data\n").unwrap();
    };
    let nothing_left = || !state.join("containers").exists() && !state.join("volumes").exists();
    leave();
    nothing_is_made(&mut compose);
    assert!(nothing_left(), "{}", calls(&state));
    leave();
    compose.down().unwrap();
    assert!(nothing_left(), "{}", calls(&state));
    let removed = format!("rm --force --volumes {ID}\n");
    assert_eq!(calls(&state).matches(&removed).count(), 2, "{}", calls(&state));
}

#[test]
fn what_cannot_be_removed_is_an_error_and_nothing_starts_beside_it() {
    let (mut compose, state) = project(&free_url());
    nothing_is_made(&mut compose);
    fs::write(state.join("containers"), format!("{ID}\n")).unwrap();
    fs::write(state.join("sticky"), "").unwrap();
    let error = format!("{:#}", compose.down().unwrap_err());
    assert!(error.contains(ID) && error.contains("pouco-lab-pouco"), "{error}");

    fs::remove_file(state.join("calls")).unwrap();
    let error = format!("{:#}", compose.up().unwrap_err());
    assert!(error.contains(ID), "{error}");
    assert!(!calls(&state).contains(" up "), "{}", calls(&state));
    fs::remove_file(state.join("sticky")).unwrap();
    compose.down().unwrap();
}

#[test]
fn a_volume_that_outlives_its_project_is_refused() {
    let (compose, state) = project(&free_url());
    let mount = |kind: &str, name: &str| json!({ "Type": kind, "Name": name, "Source": "/somewhere" });
    let nameless = "0c5dd6d1f0e7".repeat(6)[..64].to_owned();
    let with = |mounts: &[serde_json::Value]| {
        let mut inspected: serde_json::Value = serde_json::from_str(&inspected(1)).unwrap();
        inspected[0]["Mounts"] = json!(mounts);
        fs::write(state.join("inspect"), inspected.to_string()).unwrap();
        compose.own_volumes_only()
    };
    fs::write(state.join("containers"), format!("{ID}\n")).unwrap();
    fs::write(state.join("volumes"), "pouco-lab-pouco_data\npouco-lab-pouco_data-socket\n").unwrap();
    let own = mount("volume", "pouco-lab-pouco_data");
    with(&[own.clone(), mount("volume", &nameless), mount("bind", "")]).unwrap();
    let error = with(&[own, mount("volume", "pouco-lab-pouco_cache")]).unwrap_err().to_string();
    assert!(error.contains("pouco-lab-pouco_cache of the service postgres"), "{error}");
}

#[test]
fn nothing_starts_where_somebody_else_serves() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (mut compose, state) = project(&format!("http://{address}"));
    let error = format!("{:#}", compose.up().unwrap_err());
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(!calls(&state).contains(" up "), "{}", calls(&state));
}

#[test]
fn what_was_killed_runs_again_only_with_another_process() {
    let (mut compose, state) = project(&free_url());
    let (mut former, mut latter) = (sleeper(), sleeper());
    fs::write(state.join("containers"), format!("{ID}\n")).unwrap();
    fs::write(state.join("inspect"), inspected(former.id())).unwrap();
    fs::write(state.join("later"), inspected(latter.id())).unwrap();
    // The first start is refused, after the second one the engine cannot be asked, and after the third one it
    // still shows the process that has ended.
    let start = "tries=$(grep -c '^start' calls)
        case $tries in
        1) exit 1 ;;
        2) mv inspect former ;;
        3) mv former inspect ;;
        *) mv later inspect ;;
        esac";
    fs::write(state.join("start"), start).unwrap();
    let process = Process::of(i32::try_from(former.id()).unwrap()).unwrap();
    compose.killed = vec![(ID.to_owned(), Some(process))];
    assert!(!compose.revived().unwrap(), "it is the same process");
    assert!(killed::kill(&[process]));
    // Its parent, this test, has not looked yet: so it has ended, and its number is still there.
    killed::wait(&[process]).unwrap();
    compose.revive().unwrap();
    assert_eq!(calls(&state).matches("start ").count(), 4, "{}", calls(&state));
    former.wait().unwrap();
    latter.kill().unwrap();
    latter.wait().unwrap();
}

#[test]
fn replicas_are_reached_through_their_containers_and_all_of_them_must_run() {
    let (compose, state) = project(&free_url());
    let container = |service: &str, pid: u32| {
        let mut inspected: Value = serde_json::from_str(&inspected(pid)).unwrap();
        inspected[0]["Config"]["Labels"]["com.docker.compose.service"] = json!(service);
        inspected[0].clone()
    };
    let with = |containers: &[Value]| {
        fs::write(state.join("inspect"), json!(containers).to_string()).unwrap();
        compose.replicas()
    };
    fs::write(state.join("containers"), format!("{ID}\n")).unwrap();
    let replicas = with(&[container("api2", 12), container("nginx", 10), container("api1", 11)]).unwrap();
    let replicas: Vec<_> = replicas.iter().map(|it| (it.service.as_str(), it.address.as_str())).collect();
    let expected =
        [("api1", "/proc/11/root/run/pouco/api1.sock"), ("api2", "/proc/12/root/run/pouco/api2.sock")];
    assert_eq!(replicas, expected);
    let error = with(&[container("api2", 0), container("api1", 11)]).unwrap_err().to_string();
    assert!(error.contains("not all replicas run"), "{error}");
}

#[test]
fn rows_are_all_there_or_an_error() {
    let (compose, state) = project(&free_url());
    fs::write(state.join("containers"), format!("{ID}\n")).unwrap();
    fs::write(state.join("inspect"), inspected(1)).unwrap();
    for (answer, rows) in
        [("2\n{}\n[]\n", Some("{}\n[]\n")), ("0\n", Some("")), ("3\n{}\n[]\n", None), ("", None)]
    {
        fs::write(state.join("answer"), answer).unwrap();
        assert_eq!(compose.rows("SELECT 1").ok().as_deref(), rows, "{answer:?}");
    }
    let calls = calls(&state);
    let one_session = "-v FETCH_COUNT=1000 -U postgres -d pouco -c BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY \
         -c SELECT count(*) FROM (SELECT 1) AS rows -c SELECT 1 -c COMMIT";
    assert!(calls.contains(one_session), "{calls}");
}

#[test]
fn no_service_may_swap() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contestant = Contestant::read(&top.join("../peers/pouco")).unwrap();
    let contest = Contest::read(&top.join("contests/people")).unwrap();
    let file: Value = serde_json::from_str(&override_file(&contest, &contestant, "after-commit")).unwrap();
    for (name, service) in file["services"].as_object().unwrap() {
        assert_eq!(service["memswap_limit"], service["deploy"]["resources"]["limits"]["memory"], "{name}");
    }
}
