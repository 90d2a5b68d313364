//! A way to Postgres that can be cut, muted and stopped.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::Database;

#[derive(Default)]
struct State {
    streams: Vec<TcpStream>,
    /// How many there have been.
    connections: usize,
    /// What Postgres answers is dropped on the first so many connections.
    muted: usize,
    /// Nothing is passed on in either direction.
    stopped: bool,
    /// The end of one side is not told to the other.
    kept_open: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// TCP in front of a cluster's Unix socket.
pub struct Relay {
    pub address: SocketAddr,
    config: postgres::Config,
    shared: Arc<Shared>,
}

impl Relay {
    pub fn to(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let given = database.config();
        let [postgres::config::Host::Unix(folder)] = given.get_hosts() else { panic!("a Unix socket") };
        let socket: PathBuf = folder.join(".s.PGSQL.5432");
        let mut config = postgres::Config::new();
        config.host("127.0.0.1").port(address.port()).user("pouco").dbname(given.get_dbname().unwrap());
        let shared = Arc::new(Shared::default());
        let relaying = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                // A Postgres that is gone closes the client's connection too.
                if let (Ok(client), Ok(server)) = (client, UnixStream::connect(&socket)) {
                    relaying.pass_between(&client, &server);
                }
            }
        });
        Self { address, config, shared }
    }

    pub fn config(&self) -> postgres::Config {
        self.config.clone()
    }

    /// The value of `DATABASE_URL`.
    pub fn url(&self) -> String {
        let (port, name) = (self.address.port(), self.config.get_dbname().unwrap());
        format!("host=127.0.0.1 port={port} user=pouco dbname={name}")
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }

    /// From now on Postgres's answers are lost.
    pub fn mute(&self) {
        self.shared.change(|state| state.muted = usize::MAX);
    }

    /// From now on Postgres's answers are lost on the connections that are open.
    pub fn mute_present(&self) {
        self.shared.change(|state| state.muted = state.connections);
    }

    /// From now on nothing passes, as if Postgres stood still.
    pub fn stop(&self) {
        self.shared.change(|state| state.stopped = true);
    }

    /// From now on clients do not hear that Postgres has closed a connection.
    pub fn keep_open(&self) {
        self.shared.change(|state| state.kept_open = true);
    }

    /// All as it should be, for the connections that are left and for new ones.
    pub fn repair(&self) {
        self.shared.change(|state| (state.muted, state.stopped) = (0, false));
    }

    /// Resets all open connections.
    pub fn cut(&self) {
        self.shared.change(|state| {
            for stream in state.streams.drain(..) {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn pass_between(self: &Arc<Self>, client: &TcpStream, server: &UnixStream) {
        client.set_nodelay(true).unwrap();
        let mut number = 0;
        self.change(|state| {
            state.streams.push(client.try_clone().unwrap());
            number = state.connections;
            state.connections += 1;
        });
        let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (mut answering, mut answered) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let shared = self.clone();
        thread::spawn(move || {
            shared.pass(&mut asking, &mut asked, None);
            let _ = asked.shutdown(Shutdown::Both);
        });
        let shared = self.clone();
        thread::spawn(move || {
            shared.pass(&mut answering, &mut answered, Some(number));
            if !shared.state.lock().unwrap().kept_open {
                let _ = answered.shutdown(Shutdown::Both);
            }
        });
    }

    /// Until one side has ended. What passes are answers if the connection has a number.
    fn pass(&self, from: &mut impl Read, to: &mut impl Write, answers: Option<usize>) {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let muted = {
                let state = self.state.lock().unwrap();
                self.changed.wait_while(state, |state| state.stopped).unwrap().muted
            };
            if answers.is_none_or(|number| number >= muted) && to.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    }
}
