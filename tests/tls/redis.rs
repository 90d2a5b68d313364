//! The way to Redis: with TLS, a user and a password. The other side speaks Redis's protocol as far as the
//! cache does, over a TLS of its own, and can be told to misbehave. `tests/stack/tls.sh` asks a real one.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::authority::{Authority, Identity, Validity, write};
use crate::support::redis::read_command;
use crate::support::replica::{command, run};
use crate::support::{Log, Replica, eventually, open_tempdir};

const PASSWORD: &str = "S3cret \"word";

/// Listens for as long as the test runs.
struct Redis {
    folder: TempDir,
    port: u16,
    root: PathBuf,
    /// What it is told to hold in place of what was stored.
    too_long: Arc<Mutex<bool>>,
}

impl Redis {
    fn start() -> Self {
        let folder = open_tempdir();
        let authority = Authority::new("of Redis");
        let root = write(folder.path(), "root.pem", &authority.certificate, 0o644);
        let config = Arc::new(config(&authority.server(&["localhost"], Validity::Now)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (values, too_long) = (Arc::new(Mutex::new(HashMap::new())), Arc::new(Mutex::new(false)));
        let long = too_long.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, values, long) = (config.clone(), values.clone(), long.clone());
                thread::spawn(move || converse(stream.unwrap(), config, &values, &long));
            }
        });
        Self { folder, port, root, too_long }
    }

    fn host(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// A replica, and its log.
    fn replica(&self, password: &str, root: &Path) -> (Replica, Log) {
        let file = write(self.folder.path(), "password", &format!("{password}\n"), 0o600);
        let mut serve = command();
        serve.env("POUCO_APIS", "edge").env("REDIS_HOST", self.host()).env("REDIS_USER", "app");
        serve.env("REDIS_PASSWORD_FILE", file).env("POUCO_REDIS_ROOT_CERT", root);
        serve.env("POUCO_REDIS_TIMEOUT_MS", "1000");
        let log = Log::of(&mut serve);
        (Replica::spawn_with(&mut serve), log)
    }
}

fn config(identity: &Identity) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

type Values = Mutex<HashMap<Vec<u8>, Vec<u8>>>;

/// Until the client leaves, or cannot be understood.
fn converse(stream: TcpStream, config: Arc<ServerConfig>, values: &Values, too_long: &Mutex<bool>) {
    let tls = ServerConnection::new(config).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(tls, stream));
    let mut known = false;
    while let Some(words) = read_command(&mut stream) {
        let [name, words @ ..] = words.as_slice() else { return };
        let answer = match (name.as_slice(), words) {
            (b"AUTH", [user, password]) => {
                known = user == b"app" && password == PASSWORD.as_bytes();
                if known { b"+OK\r\n".to_vec() } else { b"-WRONGPASS invalid pair\r\n".to_vec() }
            }
            _ if !known => b"-NOAUTH Authentication required.\r\n".to_vec(),
            (b"PING", []) => b"+PONG\r\n".to_vec(),
            (b"EVAL", [script, _, key, _, _, value, _]) if script.starts_with(b"if redis.call('STRLEN'") => {
                assert!(!value.is_empty());
                match values.lock().unwrap().get(key) {
                    _ if *too_long.lock().unwrap() => b":2\r\n".to_vec(),
                    Some(value) => {
                        [format!("*2\r\n${}\r\n", value.len()).as_bytes(), value, b"\r\n:9000\r\n"].concat()
                    }
                    None => b":1\r\n".to_vec(),
                }
            }
            (b"EVAL", [_, _, key, lock, _, value, _]) => {
                // Of both keys a cluster takes what is in the braces.
                assert_eq!(*lock, [b"{", key.as_slice(), b"}:lock"].concat());
                values.lock().unwrap().insert(key.clone(), value.clone());
                b":1\r\n".to_vec()
            }
            _ => b"-ERR unknown\r\n".to_vec(),
        };
        if stream.get_mut().write_all(&answer).is_err() {
            return;
        }
    }
}

fn status(replica: &Replica) -> String {
    replica.get("/redis/static-text").header("x-cache-status").unwrap().to_owned()
}

#[test]
fn the_cache_is_shared_over_tls() {
    let redis = Redis::start();
    let (one, _) = redis.replica(PASSWORD, &redis.root);
    let (two, log) = redis.replica(PASSWORD, &redis.root);
    eventually("it is stored", || status(&one) == "HIT");
    eventually("the other has it", || status(&two) == "HIT");
    *redis.too_long.lock().unwrap() = true;
    eventually("what is too long is not taken", || status(&two) == "BYPASS");
    eventually("it is told", || log.has("too long to be ours"));
    assert!(one.stop().success() && two.stop().success());
}

#[test]
fn a_redis_that_is_not_to_be_used_is_told_and_costs_nothing() {
    let redis = Redis::start();
    let stranger = Authority::new("a stranger");
    let stranger = write(redis.folder.path(), "stranger.pem", &stranger.certificate, 0o644);
    for (password, root, why) in
        [("S3cret-other", &redis.root, "invalid pair"), (PASSWORD, &stranger, "certificate")]
    {
        let (replica, log) = redis.replica(password, root);
        eventually("it is told", || {
            assert_eq!(status(&replica), "BYPASS");
            log.has(why)
        });
        assert_eq!(replica.metric("pouco_redis_up"), 0);
        assert!(!log.has("S3cret"), "{}", log.text());
        assert!(replica.stop().success());
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    let redis = Redis::start();
    let junk = write(redis.folder.path(), "junk.pem", "S3cret", 0o644);
    let host = redis.host();
    for (settings, why) in [
        (vec![("REDIS_HOST", "redis://app:S3cret@localhost")], "REDIS_HOST=`…`"),
        (vec![("REDIS_HOST", "http://localhost")], "REDIS_HOST="),
        (vec![("REDIS_HOST", &host), ("REDIS_USER", "app")], "REDIS_USER=`app`"),
        (vec![("REDIS_HOST", &host), ("REDIS_PASSWORD_FILE", "/nowhere")], "REDIS_PASSWORD_FILE=`/nowhere`"),
        (vec![("REDIS_HOST", &host), ("POUCO_REDIS_ROOT_CERT", junk.to_str().unwrap())], "no certificate"),
        (vec![("REDIS_HOST", &host), ("POUCO_REDIS_ROOT_CERT", "/nowhere")], "POUCO_REDIS_ROOT_CERT="),
    ] {
        let (code, out, err) = run(command().env("POUCO_APIS", "edge").envs(settings));
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
        assert!(err.contains(why) && !err.contains("S3cret"), "{err}");
    }
}
