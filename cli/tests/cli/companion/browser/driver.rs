//! A browser under test: chromedriver, spoken to by the W3C WebDriver protocol, with headless Chromium behind it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Method;

/// How long something is waited for that should come, even on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where Debian's packages `chromium` and `chromium-driver` put the two programs.
const DRIVER: &str = "/usr/bin/chromedriver";
const BROWSER: &str = "/usr/bin/chromium";

/// The key under which WebDriver names an element (W3C WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Flags without which Chromium looks for its maker's hosts, or needs what a test machine has not.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// Returns true if the browser is here; otherwise says that nothing of it is tested.
pub(super) fn is_here() -> bool {
    let is_here = Path::new(DRIVER).exists() && Path::new(BROWSER).exists();
    // A script that sets it has said so already.
    if !is_here && std::env::var_os("MINIMODEL_NO_BROWSER").is_none() {
        minimodel_skipped::skipped(
            "the page in a browser: install Debian's packages `chromium` and `chromium-driver`",
        );
    }
    is_here
}

/// A browser with a profile of its own. It ends when the value is dropped.
pub(super) struct Browser {
    agent: Agent,
    /// The address of the WebDriver session.
    session: String,
    driver: Child,
    _profile: TempDir,
}

/// An element of the page that is shown.
#[derive(Clone, Debug)]
pub(super) struct Element(String);

impl Browser {
    /// Starts the driver and a browser.
    pub(super) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new(DRIVER)
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let rest = line.split_once("started successfully on port ")?.1;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        let agent = Agent::new_with_config(config.build());
        let mut started = Self {
            agent,
            session: format!(
                "http://127.0.0.1:{}",
                port.unwrap_or_else(|| panic!("the driver says no port"))
            ),
            driver,
            _profile: profile,
        };
        let mut arguments: Vec<String> = FLAGS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", started._profile.path().display()));
        let options = json!({"binary": BROWSER, "args": arguments});
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = started.call(&Method::POST, "/session", &wanted);
        started.session = format!("{}/session/{}", started.session, session["sessionId"].as_str().unwrap());
        started
    }

    /// A command of the protocol. Its error is a failure of the test.
    #[track_caller]
    fn call(&self, method: &Method, path: &str, body: &Value) -> Value {
        match self.try_call(method, path, body) {
            Ok(value) => value,
            Err(error) => panic!("{path}: {error:#}"),
        }
    }

    fn try_call(&self, method: &Method, path: &str, body: &Value) -> Result<Value, Value> {
        let url = format!("{}{path}", self.session);
        let answer = match *method {
            Method::GET => self.agent.get(url).call(),
            Method::DELETE => self.agent.delete(url).call(),
            _ => self.agent.post(url).send_json(body),
        };
        let mut answer = answer.unwrap();
        let value =
            answer.body_mut().with_config().limit(64 << 20).read_json::<Value>().unwrap()["value"].take();
        if answer.status().is_success() { Ok(value) } else { Err(value) }
    }

    /// Opens an address in this tab.
    #[track_caller]
    pub(super) fn open(&self, url: &str) {
        self.call(&Method::POST, "/url", &json!({"url": url}));
    }

    /// The address that is shown.
    pub(super) fn url(&self) -> String {
        self.call(&Method::GET, "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// The result of a script, as the body of a function with these arguments.
    #[track_caller]
    pub(super) fn run(&self, script: &str, arguments: &Value) -> Value {
        self.call(&Method::POST, "/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// The text that is shown.
    pub(super) fn text(&self) -> String {
        self.run("return document.body.innerText", &json!([])).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text that is shown satisfies `holds`.
    #[track_caller]
    pub(super) fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if holds(&text) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {text}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for the element that a path (XPath 1.0) leads to.
    #[track_caller]
    pub(super) fn find(&self, path: &str) -> Element {
        let begun = Instant::now();
        loop {
            let wanted = json!({"using": "xpath", "value": path});
            if let Ok(found) = self.try_call(&Method::POST, "/element", &wanted) {
                return Element(found[ELEMENT].as_str().unwrap().to_owned());
            }
            assert!(begun.elapsed() < PATIENCE, "no {path} in: {}", self.text());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for the button or link with this text, and clicks it once it is active.
    #[track_caller]
    pub(super) fn press(&self, label: &str) {
        let path = format!(
            "//*[(self::button or self::a) and normalize-space(.)={label:?} and not(@disabled) and not(@aria-disabled='true')]"
        );
        self.click(&self.find(&path));
    }

    /// Clicks an element.
    #[track_caller]
    pub(super) fn click(&self, element: &Element) {
        self.call(&Method::POST, &format!("/element/{}/click", element.0), &json!({}));
    }

    /// Types into an element.
    #[track_caller]
    pub(super) fn type_into(&self, element: &Element, text: &str) {
        self.call(&Method::POST, &format!("/element/{}/value", element.0), &json!({"text": text}));
    }

    /// Presses keys, as W3C WebDriver section 17.4.2 names them, one by one at what has the focus.
    #[track_caller]
    pub(super) fn keys(&self, keys: &str) {
        for key in keys.chars() {
            let active = self.call(&Method::GET, "/element/active", &Value::Null);
            let element = Element(active[ELEMENT].as_str().unwrap().to_owned());
            self.type_into(&element, &key.to_string());
        }
    }

    /// A command of the browser's own protocol.
    #[track_caller]
    fn command(&self, name: &str, parameters: &Value) {
        self.call(&Method::POST, "/goog/cdp/execute", &json!({"cmd": name, "params": parameters}));
    }

    /// Shows the page in a window of this width in pixels, in the light or the dark theme, and says that motion is unwanted.
    pub(super) fn look(&self, width: u32, theme: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", &size);
        let feature = |name: &str, value: &str| json!({"name": name, "value": value});
        let features = [feature("prefers-color-scheme", theme), feature("prefers-reduced-motion", "reduce")];
        self.command("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Picture of what is shown, as PNG.
    pub(super) fn picture(&self) -> Vec<u8> {
        let text = self.call(&Method::GET, "/screenshot", &Value::Null);
        data_encoding::BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap()
    }

    /// The handle of the tab that is shown.
    pub(super) fn tab(&self) -> String {
        self.call(&Method::GET, "/window", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Opens a tab and goes to it; returns its handle.
    pub(super) fn new_tab(&self) -> String {
        let made = self.call(&Method::POST, "/window/new", &json!({"type": "tab"}));
        let handle = made["handle"].as_str().unwrap().to_owned();
        self.go_to_tab(&handle);
        handle
    }

    /// Goes to a tab.
    pub(super) fn go_to_tab(&self, handle: &str) {
        self.call(&Method::POST, "/window", &json!({"handle": handle}));
    }

    /// What the console said and what was requested since the last call: `browser` or `performance`.
    pub(super) fn log(&self, kind: &str) -> Vec<Value> {
        self.call(&Method::POST, "/se/log", &json!({"type": kind})).as_array().unwrap().clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_call(&Method::DELETE, "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
