//! Real clients at a real server, with calls that only pretend.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roomrtc_actors::call_port::{
    CallEngine, CallNews, CallOrder, CallReport, CallSetup, Preview, RunningCall,
};
use roomrtc_actors::client::{self, ClientHandle, ClientSetup};
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::ui_bridge::{
    AudioChoice, CallEvent, Command, ConnectionState, Event, MediaChoice, Password, SetupTimes, VideoChoice,
};
use roomrtc_kit::Port;
use roomrtc_kit::config::Config;
use roomrtc_protocol::signaling::CertificateHash;
use roomrtc_protocol::signaling::messages::DescriptionKind;
use roomrtc_server::{RunningServer, Server};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port, with accounts of its own.
pub struct TestServer {
    pub server: RunningServer,
    _folder: TempDir,
}

impl TestServer {
    pub fn start(overrides: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.server.data_dir = folder.path().to_owned();
        for text in overrides {
            config.apply(text).expect("a setting");
        }
        let server = Server::start(&config).expect("a server");
        TestServer {
            server,
            _folder: folder,
        }
    }

    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    pub fn pin(&self) -> Option<CertificateHash> {
        Some(
            self.server
                .fingerprint()
                .to_string()
                .parse()
                .expect("a fingerprint"),
        )
    }
}

/// A client and what it says.
pub struct TestClient {
    pub handle: ClientHandle,
    pub engine: PretendEngine,
    events: mpsc::Receiver<Event>,
    runtime: tokio::runtime::Runtime,
    _folder: Option<TempDir>,
}

impl TestClient {
    /// A client with a data folder of its own.
    pub fn start(pin: Option<CertificateHash>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut client = Self::start_in(folder.path(), pin);
        client._folder = Some(folder);
        client
    }

    pub fn start_in(data_dir: &Path, pin: Option<CertificateHash>) -> Self {
        let mut config = Config::default();
        config.client.data_dir = data_dir.to_owned();
        config.client.reconnect_first_ms = 20;
        let engine = PretendEngine::default();
        let handle = client::start(ClientSetup {
            config: Arc::new(config),
            media: MediaChoice {
                video: VideoChoice::Test,
                audio: AudioChoice::Test,
                codec: None,
            },
            server_fingerprint: pin,
            engine: Arc::new(engine.clone()),
            hung: Box::new(|| panic!("the control arbiter hangs")),
        })
        .expect("a client");
        let events = handle.take_events().expect("taken for the first time");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        TestClient {
            handle,
            engine,
            events,
            runtime,
            _folder: None,
        }
    }

    /// A client that is logged in under a fresh account.
    pub fn online(server: &TestServer, user: &str) -> Self {
        let mut client = Self::start(server.pin());
        client.connect(&server.address());
        client.register(user);
        client.log_in(user, "secret", false);
        client.logged_in();
        client
    }

    pub fn send(&self, command: Command) {
        self.handle.send(command);
    }

    pub fn connect(&mut self, server: &str) {
        self.send(Command::Connect {
            server: server.into(),
        });
        self.connected();
    }

    pub fn register(&mut self, user: &str) {
        self.send(Command::Register {
            user: user.into(),
            password: Password("secret".into()),
        });
        self.until("the account", |event| {
            matches!(event, Event::Registered { .. }).then_some(())
        });
    }

    pub fn log_in(&mut self, user: &str, password: &str, take_over: bool) {
        let password = Password(password.into());
        self.send(Command::LogIn {
            user: user.into(),
            password,
            take_over,
        });
    }

    pub fn connected(&mut self) {
        self.until("the connection", |event| {
            matches!(event, Event::Connection(ConnectionState::Connected)).then_some(())
        });
    }

    /// Waits for the session; tells whether it was resumed.
    pub fn logged_in(&mut self) -> bool {
        self.until("the session", |event| match event {
            Event::LoggedIn { resumed, .. } => Some(*resumed),
            _ => None,
        })
    }

    /// The next call event that `wanted` likes.
    pub fn call<T>(&mut self, what: &str, wanted: impl Fn(&CallEvent) -> Option<T>) -> T {
        self.until(what, |event| match event {
            Event::Call(event) => wanted(event),
            _ => None,
        })
    }

    /// The next event that `wanted` likes; those before are passed over.
    pub fn until<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let mut heard = Vec::new();
        let listen = async {
            while let Some(event) = self.events.recv().await {
                if let Some(found) = wanted(&event) {
                    return Some(found);
                }
                heard.push(format!("{event:?}"));
            }
            None
        };
        let found = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, listen).await });
        match found {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the client ended before {what}; heard: {heard:#?}"),
            Err(_) => panic!("waited in vain for {what}; heard: {heard:#?}"),
        }
    }
}

/// An engine whose calls exchange descriptions and are connected at once.
#[derive(Clone, Default)]
pub struct PretendEngine(Arc<Mutex<Vec<CallOrder>>>);

impl PretendEngine {
    /// Everything calls were told so far.
    pub fn orders(&self) -> Vec<CallOrder> {
        self.0.lock().expect("nobody panics in it").clone()
    }

    /// Waits until calls were told so many things.
    pub fn await_orders(&self, count: usize) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.orders().len() < count {
            assert!(std::time::Instant::now() < deadline, "only {:?}", self.orders());
            std::thread::yield_now();
        }
    }
}

struct PretendCall {
    setup: CallSetup,
    orders: Arc<Mutex<Vec<CallOrder>>>,
}

impl PretendCall {
    fn tell(&self, news: CallNews) {
        self.setup.client.tell(CallReport {
            call: self.setup.call,
            news,
        });
    }

    fn describe(&self, kind: DescriptionKind) {
        let sdp = format!("{kind:?} to {}", self.setup.user);
        self.tell(CallNews::LocalDescription { kind, sdp });
        self.tell(CallNews::LocalCandidate("candidate:1".into()));
    }
}

impl CallEngine for PretendEngine {
    fn start_call(&self, setup: CallSetup) -> Box<dyn RunningCall> {
        let call = PretendCall {
            setup,
            orders: self.0.clone(),
        };
        if call.setup.caller {
            call.describe(DescriptionKind::Offer);
        }
        Box::new(call)
    }

    fn start_preview(&self, _: &VideoChoice, _: VideoSlot, _: Port<CallReport>) -> Box<dyn Preview> {
        struct Pretend;
        impl Preview for Pretend {}
        Box::new(Pretend)
    }
}

impl RunningCall for PretendCall {
    fn tell(&self, order: CallOrder) {
        if let CallOrder::RemoteDescription { kind, .. } = &order {
            if *kind == DescriptionKind::Offer {
                self.describe(DescriptionKind::Answer);
            }
            let connected = CallEvent::Connected {
                user: self.setup.user.clone(),
                setup: SetupTimes::default(),
            };
            PretendCall::tell(self, CallNews::Event(connected));
        }
        if order == CallOrder::HangUp {
            PretendCall::tell(self, CallNews::Closed);
        }
        self.orders.lock().expect("nobody panics in it").push(order);
    }
}

/// A way to a server that can be cut, and led elsewhere.
pub struct Wire {
    pub address: SocketAddr,
    state: Arc<Mutex<WireState>>,
}

struct WireState {
    target: SocketAddr,
    open: Vec<TcpStream>,
}

impl Wire {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(WireState {
            target,
            open: Vec::new(),
        }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let target = shared.lock().expect("nobody panics in it").target;
                let Ok(far) = TcpStream::connect(target) else {
                    continue;
                };
                let ends = [&near, &far].map(|end| end.try_clone().expect("a handle"));
                shared.lock().expect("nobody panics in it").open.extend(ends);
                carry(&near, &far);
                carry(&far, &near);
            }
        });
        Wire { address, state }
    }

    /// Cuts what is open; new connections are possible.
    pub fn cut(&self) {
        for end in self.state.lock().expect("nobody panics in it").open.drain(..) {
            // Closed already: as good as cut.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Leads new connections elsewhere.
    pub fn lead_to(&self, target: SocketAddr) {
        self.state.lock().expect("nobody panics in it").target = target;
    }
}

fn carry(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (
        from.try_clone().expect("a handle"),
        to.try_clone().expect("a handle"),
    );
    std::thread::spawn(move || -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return to.shutdown(Shutdown::Both);
            }
            to.write_all(&buffer[..length])?;
        }
    });
}
