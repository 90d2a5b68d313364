//! The checks: each judges some of the facts, and asks nothing of the machine.
//!
//! `missing` is what no contest runs without, or what would disqualify every contestant. Everything else is a
//! warning or optional.

use super::finding::{Finding, Mark};
use super::{Engine, EngineKind, Facts, Settings, Tool};

/// What `docker-compose.yml` asks for; a container that may not have it does not start.
const OPEN_FILES_WANTED: u64 = 20_000;

/// Images of all contestants with what their builds leave, and the largest record.
const FREE_BYTES: u64 = 10 << 30;
const FREE_BYTES_LEAST: u64 = 2 << 30;

/// Of the generator and the lab besides the contestant: as much as Gatling takes.
const GENERATOR_CORES: f64 = 0.5;
const GENERATOR_BYTES: u64 = 1 << 30;

/// More than this of a core in use says that something else is at work.
const QUIET_LOAD: f64 = 0.5;

/// The users of `people` at its peak, in a second; each has a port of its own, which waits for 60 s after its
/// end.
const PEAK_USERS: u32 = 740;
const TIME_WAIT_SECONDS: u32 = 60;

/// The longest queue that contestants ask for; the kernel cuts it to its own bound in silence.
const BACKLOG_WANTED: u32 = 1_024;

const INSTALL_PODMAN: &str = "deploy/install-podman.sh";

/// All checks, in the order in which they should be settled.
#[must_use]
pub fn judge(facts: &Facts, settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![engine(facts), compose(facts)];
    if let Ok(engine) = &facts.engine {
        findings.push(limits(engine));
        findings.extend(runtime(engine, facts));
    }
    findings.extend([cgroups(facts), images(facts), port(facts, settings), open_files(facts)]);
    findings.extend([cores(facts, settings), memory(facts, settings)]);
    findings.extend(disk(facts));
    findings.extend([quiet(facts), ports(facts), backlog(facts)]);
    findings.extend(connection_table(facts));
    findings.extend([gatling(facts), java(facts), k6(facts), chromium(facts)]);
    findings
}

fn engine(facts: &Facts) -> Finding {
    match &facts.engine {
        Ok(engine) => {
            let name = if engine.kind == EngineKind::Podman { "podman" } else { "docker" };
            let who = if engine.rootless { "without root" } else { "as root" };
            Finding::ok("container engine", format!("{name} {}, {who}", engine.version))
        }
        Err(reason) => Finding::new(Mark::Missing, "container engine", reason, INSTALL_PODMAN),
    }
}

fn compose(facts: &Facts) -> Finding {
    match (&facts.compose, &facts.engine) {
        (Some(tool), _) => found("compose", tool),
        (None, Ok(engine)) if engine.kind == EngineKind::Docker => Finding::new(
            Mark::Missing,
            "compose",
            "no docker compose",
            "the package docker-compose-plugin or docker-compose-v2",
        ),
        _ => Finding::new(Mark::Missing, "compose", "no podman-compose", INSTALL_PODMAN),
    }
}

/// Limits without the controllers show in `inspect` and do not hold: every contestant would be disqualified.
fn limits(engine: &Engine) -> Finding {
    const NAME: &str = "limits";
    let Some(controllers) = &engine.controllers else {
        let found = "the engine does not say which it can set; a run reads them back from the cgroups";
        return Finding::new(Mark::Warning, NAME, found, "");
    };
    let has = |name: &&str| controllers.iter().any(|controller| controller == *name);
    let absent: Vec<&str> = ["cpu", "memory"].into_iter().filter(|name| !has(name)).collect();
    if absent.is_empty() {
        return Finding::ok(NAME, "CPU and memory can be limited");
    }
    let remedy = if engine.rootless {
        "as root, write `[Service]` and `Delegate=memory pids cpu cpuset` into \
         /etc/systemd/system/user@.service.d/delegate.conf and restart the machine (cgroups must be of version 2), or run as root"
    } else {
        "a kernel with these controllers, not switched off on its command line"
    };
    let found = format!("no controller for {}: limits would show and not hold", absent.join(" and "));
    Finding::new(Mark::Missing, NAME, found, remedy)
}

fn runtime(engine: &Engine, facts: &Facts) -> Option<Finding> {
    (engine.runtime == "crun" && facts.cgroups.as_deref() == Ok("v1"))
        .then(|| Finding::new(Mark::Missing, "runtime", "crun refuses cgroups of version 1", INSTALL_PODMAN))
}

fn cgroups(facts: &Facts) -> Finding {
    match &facts.cgroups {
        Ok(version) => Finding::ok("cgroups", version),
        Err(reason) => Finding::new(
            Mark::Missing,
            "cgroups",
            reason,
            "mount them below /sys/fs/cgroup: limits are read back from there",
        ),
    }
}

fn images(facts: &Facts) -> Finding {
    const NAME: &str = "base images";
    match &facts.missing_images {
        Some(missing) if missing.is_empty() => Finding::ok(NAME, "here"),
        Some(missing) => Finding::new(
            Mark::Warning,
            NAME,
            format!("not here: {}", missing.join(", ")),
            "deploy/base-images.sh; otherwise the first build pulls them, if it can",
        ),
        None => Finding::new(
            Mark::Warning,
            NAME,
            "no engine to ask",
            format!("{INSTALL_PODMAN}, then deploy/base-images.sh"),
        ),
    }
}

fn port(facts: &Facts, settings: &Settings) -> Finding {
    match &facts.port_taken {
        None => Finding::ok("port", format!("{} is free", settings.port)),
        Some(reason) => Finding::new(
            Mark::Missing,
            "port",
            format!("{}: {reason}", settings.port),
            format!(
                "`ss -ltnp sport = :{}` says who; a stack of yours ends with compose's `down`",
                settings.port
            ),
        ),
    }
}

fn open_files(facts: &Facts) -> Finding {
    match facts.open_files {
        None => Finding::ok("open files", "no limit"),
        Some(files) if files >= OPEN_FILES_WANTED => Finding::ok("open files", format!("up to {files}")),
        Some(files) => Finding::new(
            Mark::Missing,
            "open files",
            format!(
                "up to {files}, and {OPEN_FILES_WANTED} are needed: containers ask for them, and each user of the load is one"
            ),
            "as root, `* hard nofile 65536` in /etc/security/limits.conf, then log in again",
        ),
    }
}

fn cores(facts: &Facts, settings: &Settings) -> Finding {
    let (cores, cpus) = (f64::from(facts.cores), settings.budget.cpus);
    let found = format!("{cores} for a budget of {cpus} and the generator");
    if cores < cpus {
        Finding::new(Mark::Missing, "cores", found, "a machine on which the budget is a limit")
    } else if cores < cpus + GENERATOR_CORES {
        let remedy = "a larger machine: the generator would take from the contestant";
        Finding::new(Mark::Warning, "cores", found, remedy)
    } else {
        Finding::ok("cores", found)
    }
}

fn memory(facts: &Facts, settings: &Settings) -> Finding {
    let budget = settings.budget.memory_bytes;
    let found = format!(
        "{} free of {}, for a budget of {} and the generator",
        gib(facts.available_bytes),
        gib(facts.memory_bytes),
        gib(budget)
    );
    if facts.memory_bytes < budget {
        Finding::new(Mark::Missing, "memory", found, "a machine on which the budget is a limit")
    } else if facts.available_bytes < budget + GENERATOR_BYTES {
        Finding::new(Mark::Warning, "memory", found, "stop other programs that use it")
    } else {
        Finding::ok("memory", found)
    }
}

fn disk(facts: &Facts) -> Vec<Finding> {
    let judge = |(what, free): &(&'static str, u64)| {
        let found = format!("{} free for {what}", gib(*free));
        match *free {
            free if free < FREE_BYTES_LEAST => {
                Finding::new(Mark::Missing, "disk", found, format!("{} are needed", gib(FREE_BYTES)))
            }
            free if free < FREE_BYTES => Finding::new(
                Mark::Warning,
                "disk",
                found,
                format!("{} are needed where all contestants are built", gib(FREE_BYTES)),
            ),
            _ => Finding::ok("disk", found),
        }
    };
    facts.free_bytes.iter().map(judge).collect()
}

fn quiet(facts: &Facts) -> Finding {
    let found = format!("load of the last minute {:.2}", facts.load_average);
    if facts.load_average > QUIET_LOAD {
        Finding::new(
            Mark::Warning,
            "quiet",
            found,
            "stop other programs: their share shows in the percentiles",
        )
    } else {
        Finding::ok("quiet", found)
    }
}

fn ports(facts: &Facts) -> Finding {
    const NAME: &str = "outgoing ports";
    let kernel = &facts.kernel;
    let Some((first, last)) = kernel.local_ports else {
        return Finding::new(Mark::Warning, NAME, "the kernel does not say how many there are", "");
    };
    let ports = (last + 1).saturating_sub(first);
    let wanted = PEAK_USERS * TIME_WAIT_SECONDS;
    let reused = kernel.tcp_tw_reuse.is_some_and(|reuse| reuse > 0);
    let kept = kernel.tcp_max_tw_buckets.map_or(String::new(), |most| format!(", at most {most} wait"));
    let found = format!(
        "{ports}, {}{kept}",
        if reused { "used again at once" } else { "each waits 60 s after its use" }
    );
    if reused || ports >= wanted {
        Finding::ok(NAME, found)
    } else {
        let remedy =
            "as root, `sysctl -w net.ipv4.tcp_tw_reuse=2 net.ipv4.ip_local_port_range=\"1024 65000\"`";
        Finding::new(Mark::Warning, NAME, format!("{found}: the peak wants {wanted}"), remedy)
    }
}

fn backlog(facts: &Facts) -> Finding {
    match facts.kernel.somaxconn {
        Some(most) if most < BACKLOG_WANTED => Finding::new(
            Mark::Warning,
            "queue of a listener",
            format!("at most {most}: connections are refused in a burst"),
            "as root, `sysctl -w net.core.somaxconn=4096`",
        ),
        Some(most) => Finding::ok("queue of a listener", format!("at most {most}")),
        None => Finding::new(Mark::Warning, "queue of a listener", "the kernel does not say its bound", ""),
    }
}

/// Only where the kernel has such a table; most contestants use the host's network, which goes round it.
fn connection_table(facts: &Facts) -> Option<Finding> {
    let most = facts.kernel.conntrack_max?;
    // An entry stays for 120 s after a connection's end.
    let wanted = PEAK_USERS * 2 * TIME_WAIT_SECONDS;
    Some(if most < wanted {
        Finding::new(
            Mark::Warning,
            "connection table",
            format!("{most} entries, and a contestant that publishes its port needs {wanted}"),
            "as root, `sysctl -w net.netfilter.nf_conntrack_max=262144`",
        )
    } else {
        Finding::ok("connection table", format!("{most} entries"))
    })
}

fn gatling(facts: &Facts) -> Finding {
    match &facts.gatling.found {
        Some((_, version)) => {
            Finding::ok("Gatling", version.as_deref().unwrap_or("here, of an unknown version"))
        }
        None => {
            let places: Vec<String> =
                facts.gatling.places.iter().map(|place| place.display().to_string()).collect();
            let found = format!("not in {}", places.join(", "));
            let remedy = "stress-test/install-gatling.sh ~/.cache/pouco-ci; for --tool gatling";
            Finding::new(Mark::Optional, "Gatling", found, remedy)
        }
    }
}

fn java(facts: &Facts) -> Finding {
    const REMEDY: &str = "apt-get install default-jdk-headless; for Gatling, 11 or newer";
    let Some(tool) = &facts.java else { return Finding::new(Mark::Optional, "java", "not here", REMEDY) };
    // "1.8.0_392" means 8.
    let major = |version: &String| {
        version.trim_start_matches("1.").split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
    };
    match tool.version.as_ref().and_then(major) {
        Some(major) if major < 11 => {
            Finding::new(Mark::Optional, "java", format!("{major} is too old"), REMEDY)
        }
        _ => found("java", tool),
    }
}

fn k6(facts: &Facts) -> Finding {
    match &facts.k6 {
        Some(tool) => found("k6", tool),
        None => Finding::new(
            Mark::Optional,
            "k6",
            "not here",
            "go install go.k6.io/k6@v1.3.0, with ~/go/bin in the PATH; for --tool k6",
        ),
    }
}

fn chromium(facts: &Facts) -> Finding {
    match &facts.chromium {
        Some(tool) => found("chromium", tool),
        None => Finding::new(
            Mark::Optional,
            "chromium",
            "not here",
            "apt-get install chromium; for pictures of the report",
        ),
    }
}

fn found(name: &'static str, tool: &Tool) -> Finding {
    let version = tool.version.as_deref().unwrap_or("of an unknown version");
    Finding::ok(name, format!("{} {version}", tool.name))
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
