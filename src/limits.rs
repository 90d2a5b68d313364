//! Every bound of the process in one place: defaults, ranges, and what must hold between them.

use std::time::Duration;

/// Bytes of a coroutine's stack. Fixed, with a guard page. The deepest request uses 13 KB, measured as the
/// scheduler's high-water mark; unoptimised code more than twice that.
pub const COROUTINE_STACK_BYTES: usize = if cfg!(debug_assertions) { 128 * 1024 } else { 32 * 1024 };

/// Mappings of a coroutine's stack: itself and its guard page. The kernel gives a process so many and no more
/// (`vm.max_map_count`).
pub const MAPPINGS_PER_STACK: u64 = 2;
/// Mappings for everything else: the program and its libraries (200), threads, the stacks of coroutines that
/// are no connection's, and what the allocator maps by itself ([`MAPPED_BYTES`]): pieces of the index,
/// bodies, answers.
pub const OTHER_MAPPINGS: u64 = 2_048;
/// A block of memory of so many bytes or more is mapped by itself, and given back whole when it is freed.
pub const MAPPED_BYTES: usize = 128 * 1024;

/// Bytes of the stack of a coroutine of the pool, which talks to Postgres: the client library is deeper than
/// a request.
pub const POOL_STACK_BYTES: usize = if cfg!(debug_assertions) { 256 * 1024 } else { 64 * 1024 };

/// Bytes of a thread's stack. The deepest is the one that opens connections; the system's own default is four
/// times as much, and counts against a limit of the address space.
pub const THREAD_STACK_BYTES: usize = 512 * 1024;

/// A file of certificates or a key: the authorities of a whole system have a quarter of it.
pub const CERTIFICATES_BYTES: u64 = 1 << 20;
/// A file with a secret, or with passwords.
pub const SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Threads for work that would block the one of the coroutines, and jobs that may wait for them.
pub const ASIDE_THREADS: usize = 2;
/// See [`ASIDE_THREADS`].
pub const ASIDE_QUEUE: usize = 64;
/// How long `/metrics` waits for what the kernel knows of the process.
pub const PROCESS_DEADLINE_MS: u64 = 1_000;

/// Coroutines made ahead, and kept when they end. Each takes 8 KB from the start.
pub const POOLED_COROUTINES: usize = 32;

/// Replicas that the limits below are made for: those of the compose file.
pub const REPLICAS: usize = 2;

/// Connections that Postgres is configured for (`deploy/postgres`), less those it reserves for superusers.
pub const POSTGRES_CONNECTIONS: usize = 20;

/// Connections of a replica: the writer and the feed of each API that has them, and the pool.
pub const WRITERS_PER_REPLICA: usize = 1;
/// See [`WRITERS_PER_REPLICA`].
pub const FEEDS_PER_REPLICA: usize = 1;
/// Connections of a replica's pool.
pub const READERS_PER_REPLICA: usize = 2;

/// Other replicas that one knows of at most.
pub const NEIGHBOURS: usize = 1_024;
/// How long the others take a replica to be there after it was heard of last.
pub const REPLICA_TERM_MS: u64 = 15_000;

/// How long the first of new rows waits for others before all go to the other replicas.
pub const PUSH_LINGER_MS: u64 = 10;
/// Bytes of rows that may wait to be sent, and to be taken by each of the other replicas.
pub const PUSH_QUEUE_BYTES: usize = 1 << 20;
/// Bytes of what is sent to another replica in one piece, which has to hold it whole.
pub const PUSH_FRAME_BYTES: usize = 256 * 1024;
/// How long another replica may take to connect and to greet.
pub const PUSH_GREETING_MS: u64 = 2_000;
/// How long it may take nothing of what waits for it, and leave what it sends unfinished.
pub const PUSH_STALL_MS: u64 = 5_000;
/// How often a replica that has nothing to send says that it is there.
pub const PUSH_BEAT_MS: u64 = 2_000;
/// How long it may say nothing at all.
pub const PUSH_SILENCE_MS: u64 = 8_000;
/// Pauses before a replica is connected to again, doubled from the first to the last.
pub const PUSH_FIRST_RETRY_MS: u64 = 250;
/// See [`PUSH_FIRST_RETRY_MS`].
pub const PUSH_LAST_RETRY_MS: u64 = 5_000;
/// How long one is tried that the table does not tell of any more.
pub const PUSH_FORGET_MS: u64 = 30_000;
/// Connections that may be greeting at once.
pub const PUSH_GREETERS: usize = 64;
/// How often a feed polls whose rows come from the other replicas directly.
pub const FEED_PUSHED_MS: u64 = 1_000;
/// How long a row that a poll has found may take to come from its replica as well.
pub const FEED_GRACE_MS: u64 = 500;
/// How long a feed polls as often as any after one has not come.
pub const FEED_DOUBT_MS: u64 = 10_000;

/// Open client connections of a replica. One address has half of them ([`PARTS_OF_CONNECTIONS`]): 4,000 that
/// are idle take 60 MB where every second one was served (5,000 took 71 MiB).
pub const CONNECTIONS: usize = 8_000;
/// The part of them that one client's address may have, where nothing else is set.
pub const PARTS_OF_CONNECTIONS: usize = 2;
/// Connections that were told to make room for others and are still there, each for the end of what it has
/// just been asked. So many more than [`CONNECTIONS`] may be open.
pub const LEAVING_CONNECTIONS: usize = 64;
/// Requests of one address that may come at once, where their rate is bounded.
pub const REQUEST_BURST: u64 = 100;
/// Addresses whose rate is known at a time. Each takes some 60 bytes, and is forgotten when it may send a
/// whole burst again.
pub const RATED_ADDRESSES: usize = 65_536;
/// Bytes of the header of the PROXY protocol, with what a hop says besides the addresses.
pub const PROXY_HEADER_BYTES: usize = 2 * 1024;
/// What a connection may do in a row before the sockets have their turn: one for each request and each 4 KiB
/// of answers, and [`READ_WORK`] for each read and each piece of a streamed answer. A whole buffer of a
/// hundred pipelined requests costs no turn.
pub const WORK_IN_A_ROW: u32 = 128;
/// See [`WORK_IN_A_ROW`].
pub const READ_WORK: u32 = 16;
/// Unix connections that are watched for input alone once they have lasted. Each has two descriptors more;
/// nginx keeps 64 connections to each replica.
pub const LASTING_CONNECTIONS: usize = 256;
/// File descriptors besides those of client connections: a second and third of lasting ones, listeners,
/// Postgres, epoll, standard streams, the answers that a connection over the limit still gets, and those that
/// leave for others.
pub const OTHER_DESCRIPTORS: u64 = 128 + 2 * LASTING_CONNECTIONS as u64 + LEAVING_CONNECTIONS as u64;
/// Bytes of a request's head.
pub const HEADER_BYTES: usize = 16 * 1024;
/// Header fields of a request.
pub const HEADER_COUNT: usize = 100;
/// Bytes of a request's target. RFC 9112 section 3 asks for request lines of at least 8,000.
pub const TARGET_BYTES: usize = 8 * 1024;
/// Bytes of a request's body.
pub const BODY_BYTES: usize = 64 * 1024;
/// Levels of nesting in a JSON body; deeper is a 400 before any recursion.
pub const JSON_DEPTH: usize = 16;
/// Requests on one connection.
pub const REQUESTS_PER_CONNECTION: u64 = 1_000_000_000;
/// First size of a connection's buffers.
pub const BUFFER_BYTES: usize = 8 * 1024;
/// Buffers kept for the next requests.
pub const POOLED_BUFFERS: usize = 256;
/// Bytes by which the buffers of all requests together may grow past their first size. Heads and small bodies
/// fit into that; this is for the large ones of many clients at once.
pub const REQUEST_BYTES: usize = 32 * 1024 * 1024;
/// Bytes by which the buffers of all answers together may grow past their first size, while they are sent. A
/// usual answer fits into that; this is for the large ones of many clients that are slow to take them. 350
/// such clients take another 12 MiB for their stacks and first buffers, and what the allocator cannot use
/// between the pieces.
pub const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Timeouts of the engine. The idle one is longer than nginx keeps its connections to a replica (5 s), or a
/// POST could meet a connection that is just being closed.
pub const HEADER_TIMEOUT_MS: u64 = 10_000;
/// See [`HEADER_TIMEOUT_MS`].
pub const BODY_TIMEOUT_MS: u64 = 30_000;
/// See [`HEADER_TIMEOUT_MS`].
pub const IDLE_TIMEOUT_MS: u64 = 75_000;
/// See [`HEADER_TIMEOUT_MS`].
pub const WRITE_TIMEOUT_MS: u64 = 10_000;
/// Bytes a second that a client must take of an answer, or send of a streamed body, while it is waited for.
pub const MIN_BYTES_PER_S: u64 = 1024;
/// How far a client may be behind that.
pub const RATE_GRACE_MS: u64 = 10_000;
/// For a streamed body or answer whose length nobody knows.
pub const STREAM_TIMEOUT_MS: u64 = 3_600_000;
/// Idle time after which nginx closes a connection to a replica (`keepalive_timeout` in nginx.conf).
pub const NGINX_KEEPALIVE_MS: u64 = 5_000;

/// Rows of one INSERT.
pub const COMMIT_BATCH_ROWS: usize = 128;
/// How long the first row of a batch waits for company.
pub const COMMIT_LINGER_MS: u64 = 8;
/// Rows that may wait for the writer.
pub const COMMIT_QUEUE_ROWS: usize = 8_192;
/// Bytes that may wait for the writer.
pub const COMMIT_QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// How long a row may wait unsent. Many clients wait ten seconds for an answer: the 503 must come before.
pub const COMMIT_DEADLINE_MS: u64 = 8_000;

/// Reads that may wait for a connection.
pub const READ_QUEUE: usize = 4_096;
/// How long a read may take.
pub const READ_DEADLINE_MS: u64 = 5_000;

/// Searches in memory, past their first slice, that may wait for their turn at once. They take 20 KB each,
/// and an answer in writing goes first, so that few are held. A slice is 0.2 ms: the last of them has a turn
/// every 50 ms of the worker.
pub const SEARCH_LINE: usize = 256;
/// How long after a replica's start searches wait for the first index, which they would only slow down: in
/// Postgres each reads the whole table.
pub const INDEX_WAIT_MS: u64 = 2_500;
/// How long a memory that was too small for all rows rests at least before it is filled again; twice as long
/// after each time without success, up to the second.
pub const INDEX_RETURN_MS: u64 = 10_000;
/// See [`INDEX_RETURN_MS`].
pub const LONGEST_INDEX_RETURN_MS: u64 = 3_600_000;
/// How much of its bound it may fill then, in hundredths: what fits only just would soon be too much again.
pub const INDEX_RETURN_PERCENT: u64 = 80;

/// Connecting to a server, signing in and the first question together.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// The longest pause between two tries to connect.
pub const LAST_RETRY_MS: u64 = 500;
/// How long a session may be silent in a statement before its server is asked about it.
pub const SILENCE_MS: u64 = 10_000;
/// How long the answer to that may take.
pub const ASK_TIMEOUT_MS: u64 = 3_000;
/// How long a statement may wait for one lock.
pub const LOCK_TIMEOUT_MS: u64 = 10_000;
/// How long one statement of a writer may take; one of the pool may take as long as its caller waits.
pub const WRITE_STATEMENT_MS: u64 = 30_000;
/// The same for a feed, which reads everything once.
pub const LONG_STATEMENT_MS: u64 = 600_000;
/// The same for migrations, seeds and the making of an index.
pub const MAINTENANCE_STATEMENT_MS: u64 = 3_600_000;
/// How often a backend looks whether its client is still there while it works or waits.
pub const CLIENT_CHECK_MS: u64 = 2_000;
/// How often a session that nobody uses is asked whether it still answers.
pub const IDLE_CHECK_MS: u64 = 10_000;
/// How old the last poll of a feed, and the oldest row of a queue, may be for a replica to be ready. Whoever
/// asks `/readyz` a few times a second knows within two seconds.
pub const READY_AGE_MS: u64 = 1_600;
/// An answer of Postgres that is younger says that it answers; otherwise `/readyz` asks it, for so long.
pub const READY_HEARD_MS: u64 = 500;
/// See [`READY_HEARD_MS`].
pub const READY_PROBE_MS: u64 = 1_000;
/// How often a feed whose index was given up looks whether the database is what it was.
pub const WATCH_INTERVAL_MS: u64 = 1_000;
/// The longest rest between two polls of a feed whose horizon is frozen.
pub const FEED_REST_MS: u64 = 1_000;

/// Rows that `pouco seed` makes at most: one transaction writes them.
pub const SEED_ROWS: u64 = 10_000_000;

/// How often a replica looks for what others have committed; a search finds it within 100 ms.
pub const FEED_INTERVAL_MS: u64 = 80;

/// How long Redis may take to be connected to, and for each answer.
pub const REDIS_TIMEOUT_MS: u64 = 100;
/// The longest value that is stored in Redis, and taken from it.
pub const REDIS_VALUE_BYTES: usize = 1 << 20;
/// Commands that may wait for the thread that talks with Redis.
pub const REDIS_QUEUE: usize = 1_024;
/// How often a Redis that is away is asked whether it is back.
pub const REDIS_RETRY_MS: u64 = 1_000;
/// How long a replica has a key for itself while it computes its value.
pub const REDIS_LOCK_MS: u64 = 1_000;
/// How long another replica waits for that value before it computes one of its own.
pub const REDIS_LOCK_WAIT_MS: u64 = 1_500;
/// How often it looks meanwhile.
pub const REDIS_LOCK_LOOK_MS: u64 = 5;

/// Bytes of log lines that wait for standard error to take them; past it lines are dropped and counted.
pub const LOG_QUEUE_BYTES: usize = 256 * 1024;
/// Bytes of one log message; what is longer is cut.
pub const LOG_MESSAGE_BYTES: usize = 16 * 1024;
/// Bytes of a client's text in the line of a request: its path, its query, its agent.
pub const LOG_TEXT_BYTES: usize = 512;
/// Bytes of a request's id, as a client or a proxy may give it.
pub const REQUEST_ID_BYTES: usize = 64;
/// One in so many requests is logged, where they are sampled.
pub const ACCESS_LOG_ONE_IN: u64 = 100;
/// How long the process waits for standard error to take what is queued, before its last words, behind them,
/// and at its end.
pub const LOG_FLUSH_MS: u64 = 1_000;

/// How long a loop that has work may go without a sign of life, before `/healthz` tells it.
pub const LOOP_SILENCE: Duration = Duration::from_secs(5);
/// The same for a thread at a job that may be long: a hash of a password, an index that is freed.
pub const JOB_SILENCE: Duration = Duration::from_secs(60);
/// How often the worker says that it gets on.
pub const WORKER_BEAT: Duration = Duration::from_secs(1);
/// How long it may not, before the process ends.
pub const WORKER_SILENCE: Duration = Duration::from_secs(60);
/// How long `/healthz` waits before it looks again at a part that is silent: a process that was stopped as a
/// whole has many, until each has had its turn.
pub const HEALTH_SECOND_LOOK: Duration = Duration::from_millis(300);

/// How long a replica serves on after SIGTERM, while it says already that it is not ready.
pub const SHUTDOWN_DELAY_MS: u64 = 0;
/// How long a drain waits for the first request of a client that has just connected.
pub const DRAIN_FIRST_REQUEST_MS: u64 = 1_000;
/// How long requests may take to finish after SIGTERM.
pub const SHUTDOWN_GRACE_MS: u64 = 20_000;
/// How long the store's threads may take to end after that; one that waits for Postgres is then left behind.
pub const STOP_REST_MS: u64 = 5_000;
/// As above, for requests of the admin server.
pub const ADMIN_GRACE: Duration = Duration::from_secs(1);
/// What the compose file grants before it kills.
pub const STOP_GRACE_PERIOD_MS: u64 = 30_000;

const _: () = assert!(
    (WRITERS_PER_REPLICA + FEEDS_PER_REPLICA + READERS_PER_REPLICA) * REPLICAS <= POSTGRES_CONNECTIONS
);
const _: () = assert!(
    SILENCE_MS + ASK_TIMEOUT_MS + 2 * LAST_RETRY_MS <= 16_000,
    "creations are back so long after a server has fallen silent and another one is there"
);
const _: () = assert!(READY_HEARD_MS + READY_PROBE_MS < READY_AGE_MS);
const _: () = assert!(FEED_REST_MS < READY_AGE_MS && WATCH_INTERVAL_MS < READY_AGE_MS);
const _: () = assert!(FEED_PUSHED_MS < READY_AGE_MS && FEED_INTERVAL_MS < FEED_PUSHED_MS);
const _: () = assert!(PUSH_SILENCE_MS > 3 * PUSH_BEAT_MS, "one that is there is heard in time");
const _: () = assert!(PUSH_FRAME_BYTES <= PUSH_QUEUE_BYTES);
const _: () = assert!(IDLE_TIMEOUT_MS > NGINX_KEEPALIVE_MS);
const _: () = assert!(SHUTDOWN_DELAY_MS + SHUTDOWN_GRACE_MS + STOP_REST_MS < STOP_GRACE_PERIOD_MS);
const _: () = assert!(DRAIN_FIRST_REQUEST_MS < SHUTDOWN_GRACE_MS);
const _: () = assert!(LOOP_SILENCE.as_millis() > 2 * WORKER_BEAT.as_millis());
const _: () =
    assert!(COMMIT_DEADLINE_MS < SHUTDOWN_GRACE_MS, "what waits unsent must end before the process does");
const _: () = assert!(READ_DEADLINE_MS <= COMMIT_DEADLINE_MS);
const _: () = assert!(2 * INDEX_WAIT_MS <= READ_DEADLINE_MS, "a wait in vain is the lesser part of a search");
const _: () = assert!(BODY_BYTES <= COMMIT_QUEUE_BYTES);
const _: () = assert!(BUFFER_BYTES <= HEADER_BYTES);
const _: () = assert!(REQUEST_BYTES >= 4 * (HEADER_BYTES + BODY_BYTES), "a large request must find room");
const _: () = assert!(ANSWER_BYTES >= 64 * BODY_BYTES, "a large answer must find room beside others");
const _: () = assert!(TARGET_BYTES < HEADER_BYTES);
const _: () = assert!(
    CONNECTIONS as u64 * MAPPINGS_PER_STACK + OTHER_MAPPINGS <= 65_530,
    "as many as are allowed by default fit into what Linux has by default"
);
const _: () = assert!(
    BUFFER_BYTES / 75 + READ_WORK as usize <= WORK_IN_A_ROW as usize,
    "a buffer of usual requests is answered in one turn"
);
const _: () = assert!(LOG_MESSAGE_BYTES < LOG_QUEUE_BYTES);
// Lines of requests have half of the queue, and one has four texts of a client at most.
const _: () = assert!(8 * LOG_TEXT_BYTES < LOG_QUEUE_BYTES);
const _: () = assert!(SHUTDOWN_GRACE_MS + 3 * LOG_FLUSH_MS < STOP_GRACE_PERIOD_MS);
const _: () = assert!(COMMIT_BATCH_ROWS <= COMMIT_QUEUE_ROWS);
const _: () = assert!(
    REDIS_LOCK_MS < REDIS_LOCK_WAIT_MS,
    "a lock that was left behind is taken over, and not waited out"
);
const _: () = assert!(REDIS_LOCK_WAIT_MS + 3 * REDIS_TIMEOUT_MS < STOP_REST_MS);
