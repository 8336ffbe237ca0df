//! Firefox without a screen, with a camera and a microphone of its own making, driven by WebDriver BiDi (W3C).

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::Page;
use super::programs::PATIENCE;

/// Devices of its own making, granted without asking; sound without a click; loopback as a network among others; and
/// nothing fetched from its maker.
const PREFERENCES: &str = r#"
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;
/// What it says before the address at which it is driven.
const LISTENING: &str = "WebDriver BiDi listening on ws://";

/// A browser with one window, ended when dropped.
pub struct Firefox {
    child: Child,
    socket: WebSocket<TcpStream>,
    /// The window.
    context: Value,
    orders: u64,
    _profile: TempDir,
}

impl Firefox {
    /// Starts one.
    ///
    /// # Errors
    /// If the package `firefox-esr` is not there.
    pub fn start() -> Result<Self> {
        let profile = TempDir::new()?;
        std::fs::write(profile.path().join("user.js"), PREFERENCES)?;
        let mut child = Command::new("firefox-esr")
            .args([
                "--headless",
                "--no-remote",
                "--remote-debugging-port=0",
                "--profile",
            ])
            .arg(profile.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("firefox-esr (the package of that name)")?;
        let socket = connect(&mut child).inspect_err(|_| {
            // It ends by itself only if it could not start.
            let _ = child.kill();
        })?;
        let mut firefox = Firefox {
            child,
            socket,
            context: Value::Null,
            orders: 0,
            _profile: profile,
        };
        // The certificate of the server under test is its own.
        let wanted = json!({"capabilities": {"alwaysMatch": {"acceptInsecureCerts": true}}});
        firefox.order("session.new", &wanted)?;
        let windows = firefox.order("browsingContext.getTree", &json!({}))?;
        firefox.context = windows["contexts"][0]["context"].clone();
        Ok(firefox)
    }

    /// Gives an order and waits for its answer; what else is said meanwhile is left aside.
    fn order(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.orders += 1;
        let order = json!({"id": self.orders, "method": method, "params": parameters});
        self.socket.send(Message::text(order.to_string()))?;
        loop {
            let Message::Text(text) = self.socket.read().with_context(|| method.to_owned())? else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text)?;
            if answer["id"] == self.orders {
                ensure!(answer["type"] == "success", "{method}: {answer}");
                return Ok(answer["result"].clone());
            }
        }
    }

    /// What an expression answers in the page, as BiDi writes it.
    fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let evaluate = json!({
            "expression": expression,
            "target": {"context": self.context},
            "awaitPromise": true,
            "userActivation": true,
        });
        let answer = self.order("script.evaluate", &evaluate)?;
        ensure!(answer["type"] == "success", "{answer}, in {expression}");
        Ok(answer["result"].clone())
    }

    /// What has this `id`.
    fn element(&mut self, id: &str) -> Result<Value> {
        let node = self.evaluate(&format!("document.getElementById({})", json!(id)))?;
        Ok(json!({"sharedId": node["sharedId"].as_str().context("an element of that id")?}))
    }

    fn act(&mut self, kind: &str, actions: &[Value]) -> Result<()> {
        let source = json!({"type": kind, "id": kind, "actions": actions});
        let acts = json!({"context": self.context, "actions": [source]});
        self.order("input.performActions", &acts)?;
        Ok(())
    }
}

impl Page for Firefox {
    fn visit(&mut self, url: &str) -> Result<()> {
        let there = json!({"context": self.context, "url": url, "wait": "complete"});
        self.order("browsingContext.navigate", &there)?;
        Ok(())
    }

    fn run(&mut self, body: &str) -> Result<Value> {
        let answer = self.evaluate(&format!(
            "(async () => {{ {body} }})().then((answer) => JSON.stringify(answer ?? null))"
        ))?;
        Ok(serde_json::from_str(answer["value"].as_str().context("JSON")?)?)
    }

    fn click(&mut self, id: &str) -> Result<()> {
        let element = self.element(id)?;
        let middle = json!({"type": "element", "element": element});
        self.act(
            "pointer",
            &[
                json!({"type": "pointerMove", "x": 0, "y": 0, "origin": middle}),
                json!({"type": "pointerDown", "button": 0}),
                json!({"type": "pointerUp", "button": 0}),
            ],
        )
    }

    fn fill(&mut self, id: &str, text: &str) -> Result<()> {
        self.run(&format!("document.getElementById({}).focus();", json!(id)))?;
        let keys = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})));
        self.act("key", &keys.collect::<Vec<_>>())
    }

    fn choose_file(&mut self, id: &str, path: &Path) -> Result<()> {
        let element = self.element(id)?;
        let choice = json!({"context": self.context, "element": element, "files": [path]});
        self.order("input.setFiles", &choice)?;
        Ok(())
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself; its own children end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it says where it is driven. What it says afterwards is read away by a thread that ends with it.
fn connect(child: &mut Child) -> Result<WebSocket<TcpStream>> {
    let mut lines = BufReader::new(child.stderr.take().context("it is piped")?).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(LISTENING)?.1.trim().to_owned()))
        .context("Firefox ended before it could be driven")?;
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (socket, _) = client(format!("ws://{address}/session"), stream).context("the handshake")?;
    Ok(socket)
}
