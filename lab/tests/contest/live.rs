//! The page of a campaign while it goes on: its events as a program reads them, and the page in a browser,
//! both during a real short run; a page that comes back; an address that somebody else has.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use pouco_lab::live::{Campaign, Event, Key, Live, Planned};
use serde_json::Value;

use crate::started::Started;
use crate::{database, scenarios};
use pouco_tools::support::browser::{self, Browser};

/// For one thing to come in a stream.
const WAIT: Duration = Duration::from_secs(60);

/// All that is told until the end of the run.
fn events(address: SocketAddr) -> Vec<(String, Value)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), "{head}");
    let blocks = body.split_terminator("\n\n").filter(|block| block.starts_with("event: "));
    let event = |block: &str| {
        let (name, data) = block.split_once("\ndata: ").unwrap();
        (name["event: ".len()..].to_owned(), serde_json::from_str(data).unwrap())
    };
    blocks.map(event).collect()
}

#[test]
fn a_program_and_a_browser_see_a_run_as_it_goes() {
    let mut browser = browser::start();
    let (cluster, _data) = database();
    let folder = tempfile::tempdir().unwrap();
    let (_reserved, mut lab) = scenarios::lab(folder.path(), &cluster, &["--only", "01", "--serve"]);
    let mut run = Started::new(&mut lab);
    let line = run.until("how it goes is on http://");
    let page = line.split_once("how it goes is on ").unwrap().1.to_owned();
    let address = page.strip_prefix("http://").and_then(|it| it.strip_suffix('/')).unwrap().parse().unwrap();
    let heard = thread::spawn(move || events(address));
    // One that never asks for anything, and one that goes at once, are nothing to the run.
    let silent = TcpStream::connect(address).unwrap();
    drop(TcpStream::connect(address).unwrap());
    if let Some(browser) = &mut browser {
        browser.open(&page, 1280, "light");
        browser.evaluate(WATCHED);
    }
    run.until("[liar 1] first start");
    if let Some(browser) = &mut browser {
        was_seen(browser);
        is_seen_by_a_newcomer(browser, &page);
    }
    let (code, said) = run.end();
    drop(silent);
    cluster.stop();
    assert_eq!(code, Some(0), "{said}");
    check(&heard.join().unwrap());
    if let Some(browser) = &mut browser {
        browser.wait_until(&format!("{}.startsWith('The run has ended. 2 of 2')", text("left")));
        browser.wait_until(&format!("{} === 'the lab has ended'", text("connection")));
        assert!(browser.evaluate(&text("attempts")).as_str().unwrap().contains("✗ gave "));
        assert_eq!(browser.evaluate(LOADED), 0, "the page loads something");
    }
}

/// Two attempts: two contestants in one scenario.
fn check(events: &[(String, Value)]) {
    let of =
        |name: &str| events.iter().filter(|(it, _)| it == name).map(|(_, data)| data).collect::<Vec<_>>();
    let campaigns = of("campaign");
    let (first, last) = (campaigns[0], campaigns[campaigns.len() - 1]);
    assert_eq!(
        (&first["tool"], &first["planned"], &first["ended"]),
        (&"native".into(), &2.into(), &0.into())
    );
    assert_eq!((&last["state"], &last["ended"]), (&"over".into(), &2.into()));
    assert!(campaigns.iter().any(|it| it["next_in_seconds"].is_number() && it["left_at_least"] == false));

    let now = of("now");
    let loaded: Vec<_> = now.iter().filter(|now| now["told"] == true).collect();
    let with = |name: &str| loaded.iter().any(|now| now[name].as_f64().is_some_and(|value| value > 0.0));
    assert!(with("requests_per_second") && with("p99_ms") && with("memory_bytes"), "{now:?}");
    let metered = now.iter().find(|now| now["metered"] == true && now["told"] == false);
    assert!(metered.is_some_and(|now| now["cpus"].is_number()), "while it comes to rest: {now:?}");
    assert!(of("course").iter().any(|it| it.as_str().unwrap().contains("class=\"line p99\"")));
    assert!(of("steps").iter().any(|it| it.to_string().contains("31 of 31 rules kept")));

    let attempts = of("attempts");
    let rows = attempts[attempts.len() - 1]["rows"].as_array().unwrap();
    let words: Vec<_> = rows.iter().map(|row| (row["contestant"].as_str(), row["tone"].as_str())).collect();
    let expected = [("honest", "good"), ("liar", "bad")].map(|(name, tone)| (Some(name), Some(tone)));
    assert_eq!(words, expected, "{rows:?}");
    assert!(rows.iter().all(|row| row["requests_per_second"].as_f64() > Some(0.0)), "{rows:?}");
    let liar = rows[1]["words"].as_str().unwrap();
    assert!(liar.starts_with("✗ gave ") && rows[0]["words"] == "✓ exact", "{rows:?}");
}

/// What is wider than the page, outside of a box that scrolls.
const OVERFLOWING: &str = "(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll('body *')].filter(element =>
        element.getBoundingClientRect().right > width + 0.5 && !element.closest('.scroll, pre'));
    return wide.map(element => element.tagName + '.' + element.className).slice(0, 5).join(' ');
})()";

/// Left in cargo's folder for temporary files.
fn photograph(browser: &mut Browser, name: &str) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    fs::write(file, browser.picture()).unwrap();
}

/// What the page loads, but for the stream.
const LOADED: &str =
    "performance.getEntriesByType('resource').filter(it => it.name !== location.href + 'events').length";

/// Keeps all that the page shows from now on, however late somebody asks for it.
const WATCHED: &str = "(() => {
    window.seen = [];
    const main = document.querySelector('main');
    const look = () => seen.push(main.textContent + main.querySelectorAll('svg path.p99[d^=M]').length);
    new MutationObserver(look).observe(main, { subtree: true, childList: true });
})()";

fn text(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

/// The first attempt, from its start to its end.
fn was_seen(browser: &mut Browser) {
    let shown = [
        "Now: honest in 01-lightweight, round 1",
        "31 of 31 rules kept",
        "Requests/s",
        "p99, ms",
        "The generator tells no figures just now",
        "✓ exact",
    ];
    for words in shown {
        browser.wait_until(&format!("seen.some(it => it.includes('{words}'))"));
    }
    browser.wait_until("seen.some(it => it.endsWith('1'))");
    assert_eq!(browser.evaluate(&text("connection")), "live");
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    assert_eq!(browser.evaluate(OVERFLOWING), "");
    photograph(browser, "live-desk-light");
}

/// On a phone and in the dark: what was before is there.
fn is_seen_by_a_newcomer(browser: &mut Browser, page: &str) {
    browser.open(page, 360, "dark");
    browser.wait_until(&format!("{}.includes('✓ exact')", text("attempts")));
    browser.wait_until("document.querySelectorAll('#attempts tr').length === 2");
    browser.wait_until(&format!("{}.includes('about')", text("left")));
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(20, 24, 29)");
    assert_eq!(browser.evaluate(OVERFLOWING), "");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth"), 360);
    photograph(browser, "live-phone-dark");
}

#[test]
fn a_page_comes_back_to_the_next_run_at_its_address() {
    let Some(mut browser) = browser::start() else { return };
    let campaign = |live: &Live, title: &str| {
        let key = Key { contestant: "<i>somebody</i>".into(), round: 1, ..Key::default() };
        let campaign = Campaign { title: title.into(), ..Campaign::default() };
        let planned = Planned { key, seconds: 1.0, ended: None };
        live.teller().tell(Event::Planned(campaign, vec![planned]));
    };
    let former = Live::start((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    campaign(&former, "the former");
    let address = former.address();
    let title = "document.getElementById('title').textContent";
    browser.open(&format!("http://{address}/"), 800, "light");
    browser.wait_until(&format!("{title} === 'the former'"));
    // A name is no markup.
    assert!(browser.evaluate("document.getElementById('attempts').textContent") != "");
    assert_eq!(browser.evaluate("document.querySelectorAll('i').length"), 0);
    drop(former);
    browser.wait_until("document.getElementById('connection').textContent === 'the lab has ended'");
    let next = Live::start(address).unwrap();
    campaign(&next, "the next");
    browser.wait_until(&format!("{title} === 'the next'"));
    browser.wait_until("document.getElementById('connection').textContent === 'live'");
}

#[test]
fn an_address_in_use_is_one_clear_line_and_nothing_is_started() {
    let (cluster, _data) = database();
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["--only", "01", "--serve", &address];
    let (_reserved, mut lab) = scenarios::lab(folder.path(), &cluster, &arguments);
    let output = lab.output().unwrap();
    cluster.stop();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with(&format!("pouco-lab: --serve {address}: Address already in use")), "{said}");
    assert_eq!((said.lines().count(), folder.path().join("out").exists()), (1, false), "{said}");
}
