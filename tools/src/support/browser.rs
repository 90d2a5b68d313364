//! A headless Chromium over its DevTools protocol, on a pipe: no port, no other program, and the size and the
//! colours that a reader prefers are those that the test asks for, whatever the command line of a version may
//! offer.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For the whole life of a browser: a slow machine needs some seconds, a broken one shall not hold up the
/// tests.
const PATIENCE: Duration = Duration::from_secs(180);

/// For one thing to happen in a page.
const WAIT: Duration = Duration::from_secs(30);

/// The program to use: what `POUCO_CHROMIUM` names, or one of the usual names on the `PATH`.
pub fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("POUCO_CHROMIUM") {
        return Some(PathBuf::from(named));
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// A browser, or `None` where there is none, which is said; with `CI=true` that is a failure.
pub fn start() -> Option<Browser> {
    let program = find();
    if program.is_none() {
        let skipped = "SKIPPED: no chromium or google-chrome on the PATH, and POUCO_CHROMIUM is not set";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{skipped}");
        eprintln!("{skipped}");
    }
    program.map(|program| Browser::start(&program))
}

/// A browser with one page.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    /// Of its own, and gone with it.
    _profile: tempfile::TempDir,
    deadline: Instant,
    last_id: u64,
    session: String,
}

impl Browser {
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken on descriptors 3 and 4, which only a shell can give without unsafe code.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            // Some versions insist on a home that they can write to.
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while output.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
                let Ok(message) = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes)) else {
                    return;
                };
                if sender.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let mut browser =
            Self { child, input, messages, _profile: profile, deadline, last_id: 0, session: String::new() };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = browser
            .call("Target.attachToTarget", &json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        browser.call("Page.enable", &json!({}));
        browser
    }

    /// Shows `file` to a reader with a window of this width who prefers these colours.
    pub fn show(&mut self, file: &Path, width: u32, colours: &str) {
        self.open(&format!("file://{}", file.display()), width, colours);
    }

    /// As [`Browser::show`], of whatever is there.
    pub fn open(&mut self, url: &str, width: u32, colours: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let shown = self.call("Page.navigate", &json!({ "url": url }));
        assert!(shown.get("errorText").is_none(), "{shown}");
        self.wait_for(|message| message["method"] == "Page.loadEventFired");
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer =
            self.call("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }));
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression in the page is true.
    pub fn wait_until(&mut self, expression: &str) {
        let limit = Instant::now() + WAIT;
        while self.evaluate(expression) != true {
            assert!(Instant::now() < limit, "still not: {expression}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Presses a key and lets it go; `code` is its number in the events of a page.
    pub fn press(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        let event = json!({ "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        for kind in ["keyDown", "keyUp"] {
            let mut event = event.clone();
            event["type"] = json!(kind);
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// The whole page as PNG, from its top to its bottom.
    pub fn picture(&mut self) -> Vec<u8> {
        let arguments = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", &arguments);
        decode_base64(answer["data"].as_str().unwrap())
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.input.write_all(&bytes).unwrap();
        let answer = self.wait_for(|message| message["id"] == id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message =
                message.expect("the browser (POUCO_CHROMIUM, else the first on the PATH) answers in time");
            if wanted(&message) {
                return message;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The shell has become the browser, whose helpers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}
