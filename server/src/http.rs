//! What the server answers over HTTP, on the same port: `/ws` (and `/`) become WebSockets, `/health` says that it
//! lives, `/join/…` is the page for guests and `/web/…` what belongs to it.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use roomrtc_kit::config::Server as Settings;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::tls::Stream;

mod guest_page;

/// The pages of the server.
#[derive(Clone)]
pub(crate) struct Pages(TowerToHyperService<Router>);

/// Where a connection's upgrade is left.
#[derive(Clone, Default)]
struct Upgrade(Arc<Mutex<Option<Pending>>>);

/// A connection that has become a WebSocket.
pub(crate) struct Upgraded {
    pub(crate) stream: Stream,
    /// What arrived along with the request.
    pub(crate) early: Bytes,
    /// The name and port the client found the server by.
    pub(crate) host: Option<String>,
}

/// A request that asked for a WebSocket.
struct Pending {
    upgrade: OnUpgrade,
    host: Option<String>,
}

impl Pages {
    pub(crate) fn new() -> Self {
        let router = Router::new()
            .route("/", get(web_socket))
            .route("/ws", get(web_socket))
            .route("/health", get(|| async { "ok\n" }))
            .merge(guest_page::routes());
        Pages(TowerToHyperService::new(router))
    }

    /// Serves a connection until it becomes a WebSocket (then gives it back), ends or takes too long.
    pub(crate) async fn serve(&self, stream: Stream, settings: &Settings) -> io::Result<Option<Upgraded>> {
        let upgrade = Upgrade::default();
        let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(upgrade.clone());
            self.0.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout())
            .max_buf_size(settings.header_max_bytes)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        timeout(settings.header_timeout(), connection)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            .map_err(io::Error::other)?;
        let pending = upgrade
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        let Some(pending) = pending else {
            return Ok(None);
        };
        let Pending { upgrade, host } = pending;
        let upgraded = upgrade.await.map_err(io::Error::other)?;
        let parts = upgraded
            .downcast::<TokioIo<Stream>>()
            .map_err(|_| io::Error::other("the upgraded connection is of another kind"))?;
        Ok(Some(Upgraded {
            stream: parts.io.into_inner(),
            early: parts.read_buf,
            host,
        }))
    }
}

/// The opening handshake (RFC 6455 §4.2).
async fn web_socket(Extension(upgrade): Extension<Upgrade>, mut request: Request) -> Response {
    match create_response_with_body(&request, Body::empty) {
        Ok(response) => {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            let pending = Pending {
                host: host.map(str::to_owned),
                upgrade: hyper::upgrade::on(&mut request),
            };
            *upgrade.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(pending);
            response
        }
        Err(error) => {
            let text = format!("This is the signaling of RoomRTC, a WebSocket: {error}.\n");
            (StatusCode::UPGRADE_REQUIRED, text).into_response()
        }
    }
}
