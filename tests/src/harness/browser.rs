//! Chromium without a screen, with a camera and a microphone of its own making, driven over the DevTools protocol.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

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
    "--use-fake-device-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--remote-debugging-port=0",
];
/// Cameras and microphones are granted without asking, or refused.
const GRANT: &str = "--use-fake-ui-for-media-stream";
const REFUSE: &str = "--deny-permission-prompts";
/// What Chromium says before the address it can be driven at.
const LISTENING: &str = "DevTools listening on ";
/// Between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A browser with one window, ended when dropped.
pub struct Browser {
    runtime: Runtime,
    child: Child,
    devtools: WebSocketStream<TcpStream>,
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
        Browser::with(GRANT)
    }

    /// Starts one whose user grants nothing.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub fn refusing() -> Result<Self> {
        Browser::with(REFUSE)
    }

    fn with(permission: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let mut child = Command::new("chromium")
            .args(FLAGS)
            .args([permission, &profile, "about:blank"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("chromium (the package of that name)")?;
        let said = child.stderr.take().context("stderr is piped")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let connected = address(said).and_then(|address| runtime.block_on(connect(&address)));
        let devtools = match connected {
            Ok(devtools) => devtools,
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        };
        let mut browser = Browser {
            runtime,
            child,
            devtools,
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
        let (id, devtools) = (self.orders, &mut self.devtools);
        let answer = async {
            devtools.send(Message::text(order.to_string())).await?;
            while let Some(message) = devtools.next().await {
                let said: Value = match message? {
                    Message::Text(text) => serde_json::from_str(&text)?,
                    _ => continue,
                };
                if said["id"] == id {
                    return Ok(said);
                }
            }
            bail!("Chromium has ended")
        };
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, answer).await })
            .with_context(|| format!("no answer to {method}"))??;
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

    /// Where what the page saves goes.
    pub fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// Opens a page, and waits until it is there.
    pub fn visit(&mut self, url: &str) -> Result<()> {
        let went = self.order("Page.navigate", &json!({"url": url}))?;
        ensure!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        self.wait_until("that it is loaded", "return document.readyState", |state| {
            state == "complete"
        })?;
        Ok(())
    }

    /// Loads the page anew.
    pub fn reload(&mut self) -> Result<()> {
        self.order("Page.reload", &json!({}))?;
        Ok(())
    }

    /// Clicks what has this `id`.
    pub fn click(&mut self, id: &str) -> Result<()> {
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

    /// Types into what has this `id`.
    pub fn fill(&mut self, id: &str, text: &str) -> Result<()> {
        self.run(&format!("document.getElementById({}).focus();", json!(id)))?;
        self.order("Input.insertText", &json!({"text": text}))?;
        Ok(())
    }

    /// Chooses a file in the file chooser with this `id`.
    pub fn choose_file(&mut self, id: &str, path: &Path) -> Result<()> {
        let expression = format!("document.getElementById({})", json!(id));
        let found = self.order("Runtime.evaluate", &json!({"expression": expression}))?;
        let choice = json!({"files": [path], "objectId": found["result"]["objectId"]});
        self.order("DOM.setFileInputFiles", &choice)?;
        Ok(())
    }

    /// What the body of a function answers in the page; it may `await`.
    pub fn run(&mut self, body: &str) -> Result<Value> {
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

    /// Looks until the body of a function answers what `wanted` likes, within [`PATIENCE`].
    pub fn wait_until(&mut self, what: &str, body: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.run(body);
            if let Ok(answer) = &answer
                && wanted(answer)
            {
                return Ok(answer.clone());
            }
            // A page that is just being replaced by the next cannot be asked.
            if Instant::now() > end {
                bail!("the page did not show {what}; it shows {answer:?}");
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Saves what the window shows, as PNG.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let shot = self.order("Page.captureScreenshot", &json!({"format": "png"}))?;
        let png = shot["data"].as_str().context("a picture")?;
        Ok(std::fs::write(path, BASE64_STANDARD.decode(png)?)?)
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

/// Where Chromium says it can be driven.
fn address(said: ChildStderr) -> Result<String> {
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let address = lines
        .find_map(|line| line.strip_prefix(LISTENING).map(str::to_owned))
        .context("chromium ended before it listened")?;
    // What it says later is of no interest, but must be read.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(address)
}

async fn connect(address: &str) -> Result<WebSocketStream<TcpStream>> {
    let host = address
        .strip_prefix("ws://")
        .and_then(|rest| rest.split('/').next());
    let stream = TcpStream::connect(host.context("an address")?).await?;
    let (devtools, _) = tokio_tungstenite::client_async(address, stream).await?;
    Ok(devtools)
}
