//! Chromium without a screen, with a camera and a microphone of its own making, driven over the DevTools protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Page;
use super::programs::PATIENCE;

/// No screen, no sandbox (tests run as root in containers), a test picture and tone as devices, no calls to its maker.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream=device-count=2",
    "--auto-select-desktop-capture-source=Entire screen",
    "--remote-debugging-pipe",
];
/// Chromium is driven over the file descriptors 3 and 4; nobody reads what else it says.
const BY_PIPES: &str = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
/// Ends a message.
const END: u8 = 0;
/// Messages that wait to be read.
const MESSAGES: usize = 256;
/// Cameras and microphones are granted without asking, or refused.
const GRANT: &str = "--use-fake-ui-for-media-stream";
const REFUSE: &str = "--deny-permission-prompts";
/// Takes the cameras away again.
const NO_CAMERA: &str = "--use-fake-device-for-media-stream=device-count=0";

/// A browser with one window, ended when dropped.
pub struct Browser {
    child: Child,
    orders_to: ChildStdin,
    said: Receiver<Value>,
    /// The window.
    session: String,
    orders: u64,
    folder: TempDir,
}

impl Browser {
    /// Starts one that grants camera and microphone.
    ///
    /// # Errors
    /// If the package `chromium` is not there.
    pub fn start() -> Result<Self> {
        Browser::with(&[GRANT], None)
    }

    /// Starts one whose user grants nothing.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn refusing() -> Result<Self> {
        Browser::with(&[REFUSE], None)
    }

    /// The same on a machine of its own.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn refusing_at(machine: &str) -> Result<Self> {
        Browser::with(&[REFUSE], Some(machine))
    }

    /// [`Browser::start`] on a machine of its own.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn start_at(machine: &str) -> Result<Self> {
        Browser::with(&[GRANT], Some(machine))
    }

    /// Starts one whose machine has microphones and no camera.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn without_camera() -> Result<Self> {
        Browser::with(&[GRANT, NO_CAMERA], None)
    }

    fn with(devices: &[&str], machine: Option<&str>) -> Result<Self> {
        let folder = TempDir::new()?;
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let elsewhere = machine.map(|machine| ["ip", "netns", "exec", machine]);
        let mut words = elsewhere
            .into_iter()
            .flatten()
            .chain(["sh", "-c", BY_PIPES, "sh"]);
        let mut child = Command::new(words.next().context("a program")?)
            .args(words)
            .args(FLAGS)
            .args(devices)
            .args([&profile, "about:blank"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("chromium (the package of that name)")?;
        let mut browser = Browser {
            orders_to: child.stdin.take().context("it is piped")?,
            said: listen(child.stdout.take().context("it is piped")?),
            child,
            session: String::new(),
            orders: 0,
            folder,
        };
        browser.open()?;
        Ok(browser)
    }

    /// The first window.
    fn open(&mut self) -> Result<()> {
        let targets = self.order("Target.getTargets", &json!({}))?;
        let page = targets["targetInfos"]
            .as_array()
            .and_then(|targets| targets.iter().find(|target| target["type"] == "page"))
            .context("a window")?;
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.order("Target.attachToTarget", &attach)?;
        self.session = attached["sessionId"].as_str().context("a session")?.to_owned();
        // The certificate of the server under test is its own.
        self.order("Security.setIgnoreCertificateErrors", &json!({"ignore": true}))?;
        let save = json!({"behavior": "allow", "downloadPath": self.downloads()});
        self.order("Browser.setDownloadBehavior", &save)?;
        self.order("Page.enable", &json!({}))?;
        Ok(())
    }

    /// Gives an order of the DevTools protocol and waits for its answer; what else is said meanwhile is left aside.
    fn order(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.orders += 1;
        let mut order = json!({"id": self.orders, "method": method, "params": parameters});
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        let mut line = serde_json::to_vec(&order)?;
        line.push(END);
        self.orders_to.write_all(&line).context("Chromium has ended")?;
        let end = Instant::now() + PATIENCE;
        let answer = loop {
            let left = end.saturating_duration_since(Instant::now());
            let said = self.said.recv_timeout(left);
            let said = said.with_context(|| format!("no answer to {method}"))?;
            if said["id"] == self.orders {
                break said;
            }
        };
        ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        Ok(answer["result"].clone())
    }

    /// Runs a script in every page opened from now on, before the page's own.
    pub fn prepare(&mut self, script: &str) -> Result<()> {
        self.order(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({"source": script}),
        )?;
        Ok(())
    }

    /// Lets tests bring scripts of their own into pages whose policy forbids that.
    pub fn allow_scripts(&mut self) -> Result<()> {
        self.order("Page.setBypassCSP", &json!({"enabled": true}))?;
        Ok(())
    }

    /// Where what the page saves goes.
    pub fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// Loads the page anew.
    pub fn reload(&mut self) -> Result<()> {
        self.order("Page.reload", &json!({}))?;
        Ok(())
    }

    /// Saves what the window shows, as PNG.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let shot = self.order("Page.captureScreenshot", &json!({"format": "png"}))?;
        let png = shot["data"].as_str().context("a picture")?;
        Ok(std::fs::write(path, BASE64_STANDARD.decode(png)?)?)
    }
}

impl Page for Browser {
    fn visit(&mut self, url: &str) -> Result<()> {
        let went = self.order("Page.navigate", &json!({"url": url}))?;
        ensure!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        self.wait_until("that it is loaded", "return document.readyState", |state| {
            state == "complete"
        })?;
        Ok(())
    }

    fn click(&mut self, id: &str) -> Result<()> {
        let point = self.run(&format!(
            "const box = document.getElementById({}).getBoundingClientRect();
             return {{ x: box.x + box.width / 2, y: box.y + box.height / 2, width: box.width }};",
            json!(id)
        ))?;
        ensure!(point["width"].as_f64() > Some(0.0), "{id} cannot be seen");
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({"type": kind, "x": point["x"], "y": point["y"], "button": "left", "clickCount": 1});
            self.order("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    fn fill(&mut self, id: &str, text: &str) -> Result<()> {
        self.run(&format!("document.getElementById({}).focus();", json!(id)))?;
        self.order("Input.insertText", &json!({"text": text}))?;
        Ok(())
    }

    fn choose_file(&mut self, id: &str, path: &Path) -> Result<()> {
        let expression = format!("document.getElementById({})", json!(id));
        let found = self.order("Runtime.evaluate", &json!({"expression": expression}))?;
        let choice = json!({"files": [path], "objectId": found["result"]["objectId"]});
        self.order("DOM.setFileInputFiles", &choice)?;
        Ok(())
    }

    fn run(&mut self, body: &str) -> Result<Value> {
        let evaluate = json!({
            "expression": format!("(async () => {{ {body} }})()"),
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.order("Runtime.evaluate", &evaluate)?;
        let failed = &answer["exceptionDetails"];
        ensure!(failed.is_null(), "{failed}, in {body}");
        Ok(answer["result"]["value"].clone())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // Both fail only if it has ended by itself; its own children end with it.
    let _ = child.kill();
    let _ = child.wait();
}

/// What Chromium says, message by message, read by a thread that ends with it.
fn listen(from: ChildStdout) -> Receiver<Value> {
    let (told, said) = sync_channel(MESSAGES);
    std::thread::spawn(move || {
        for message in BufReader::new(from).split(END).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else {
                continue;
            };
            if told.send(message).is_err() {
                return;
            }
        }
    });
    said
}
