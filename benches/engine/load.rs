//! The load generator: one thread, non-blocking sockets, epoll. Every answer is checked by its length.

use std::error::Error;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use pouco_tools::answer::all;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::thread::{CpuSet, sched_setaffinity};
use socket2::Socket;

use crate::servers::Running;

/// What each connection does, over and over.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    connections: usize,
    /// Requests sent at once; the next come when all of them are answered.
    depth: usize,
    /// After so many requests the client closes and connects again.
    requests_per_connection: usize,
    post: bool,
}

impl Workload {
    pub(crate) const ALL: [Workload; 4] = [
        Workload {
            name: "keep-alive",
            connections: 64,
            depth: 1,
            requests_per_connection: usize::MAX,
            post: false,
        },
        Workload {
            name: "pipelined",
            connections: 64,
            depth: 16,
            requests_per_connection: usize::MAX,
            post: false,
        },
        Workload {
            name: "ten-requests",
            connections: 64,
            depth: 1,
            requests_per_connection: 10,
            post: false,
        },
        Workload {
            name: "post-300",
            connections: 64,
            depth: 1,
            requests_per_connection: usize::MAX,
            post: true,
        },
    ];

    fn request(&self, path: &str) -> Vec<u8> {
        let body = "x".repeat(300);
        let one = if self.post {
            format!("POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else {
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        };
        one.repeat(self.depth).into_bytes()
    }
}

/// What a run came to.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    requests: u64,
    cpu_s: f64,
}

impl Sample {
    #[allow(clippy::cast_precision_loss)] // a count of requests is far below 2^52
    pub(crate) fn requests_per_cpu_s(self) -> f64 {
        self.requests as f64 / self.cpu_s
    }
}

/// Pins the calling thread to a core; its children inherit that. A machine without that core runs unpinned.
pub(crate) fn pin_to(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    match sched_setaffinity(None, &set) {
        Err(rustix::io::Errno::INVAL) => Ok(()),
        other => Ok(other?),
    }
}

struct Client {
    socket: Socket,
    received: usize,
    left_on_connection: usize,
}

/// Loads the server for `duration` and reads its CPU time before and after.
pub(crate) fn run(
    workload: &Workload,
    server: &Running,
    duration: Duration,
) -> Result<Sample, Box<dyn Error>> {
    let request = workload.request(server.path);
    // The first may differ from all others: a cache is empty before it.
    measure_answer(server, &request, workload.depth)?;
    let answer_bytes = measure_answer(server, &request, workload.depth)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut clients = Vec::new();
    for index in 0..workload.connections {
        clients.push(open(&epoll, server, workload, index)?);
    }
    let before = cpu_seconds(server.pid())?;
    for client in &mut clients {
        client.socket.write_all(&request)?;
    }
    let began = Instant::now();
    let mut requests = 0;
    let mut events = Vec::with_capacity(workload.connections);
    let mut scratch = vec![0; 64 * 1024];
    while began.elapsed() < duration {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let index = usize::try_from(event.data.u64())?;
            let client = &mut clients[index];
            match client.socket.read(&mut scratch) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(count) => client.received += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            if client.received < answer_bytes {
                continue;
            }
            if client.received > answer_bytes {
                return Err(format!("{} bytes came, {answer_bytes} are an answer", client.received).into());
            }
            requests += workload.depth as u64;
            client.received = 0;
            client.left_on_connection -= workload.depth;
            if client.left_on_connection == 0 {
                clients[index] = open(&epoll, server, workload, index)?;
            }
            clients[index].socket.write_all(&request)?;
        }
    }
    Ok(Sample { requests, cpu_s: cpu_seconds(server.pid())? - before })
}

fn open(
    epoll: &rustix::fd::OwnedFd,
    server: &Running,
    workload: &Workload,
    index: usize,
) -> Result<Client, Box<dyn Error>> {
    let socket = server.target.try_connect()?.into_socket();
    socket.set_nonblocking(true)?;
    epoll::add(epoll, &socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    Ok(Client { socket, received: 0, left_on_connection: workload.requests_per_connection })
}

/// The bytes of all answers to `request`; they are the same every time, since all that varies has a fixed
/// length.
fn measure_answer(server: &Running, request: &[u8], depth: usize) -> Result<usize, Box<dyn Error>> {
    let mut connection = server.target.try_connect()?;
    connection.try_send(request)?;
    loop {
        let (answers, rest) = all(&connection.buffer, false, |_| false);
        if let Some(bad) = answers.iter().find(|answer| answer.status != 200) {
            return Err(format!("answered {bad:?}").into());
        }
        if answers.len() > depth || answers.len() == depth && rest.is_some() {
            return Err("more than was asked for".into());
        }
        if answers.len() == depth {
            return Ok(connection.buffer.len());
        }
        if !connection.read_more()? {
            return Err(format!("closed after {}", connection.buffer.escape_ascii()).into());
        }
    }
}

/// CPU time of a process with all its threads, in seconds: the first field of each thread's `schedstat`, in
/// nanoseconds. `stat` has it too, but counts in ticks of 10 ms.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Box<dyn Error>> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = text.split_whitespace().next().ok_or("an empty schedstat")?;
        total += Duration::from_nanos(on_cpu.parse()?);
    }
    Ok(total.as_secs_f64())
}
