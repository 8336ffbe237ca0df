//! The server's certificate, and what accepts TLS with it.
//!
//! rustls is the default: it speaks TLS 1.3 and 1.2 with less memory. The system's library can be chosen; its
//! acceptor stops at TLS 1.2, because `native-tls` asks OpenSSL for an old profile.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use roomrtc_kit::config::{Server as Settings, TlsBackend};
use roomrtc_protocol::signaling::CertificateHash;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls;

/// Tickets a client gets to come back cheaply; one is enough for one connection at a time.
const TLS13_TICKETS: usize = 1;

/// The certificate cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds no such thing in PEM.
    #[error("{path} is no PEM file with a {wanted}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// One of the two files is there, the other is not.
    #[error(
        "the certificate {certificate} and the private key {private_key} belong together: one is missing"
    )]
    Half {
        /// Where the certificate is looked for.
        certificate: PathBuf,
        /// Where the key is looked for.
        private_key: PathBuf,
    },
    /// The self-signed certificate could not be made.
    #[error("no certificate could be made")]
    Generate(#[from] rcgen::Error),
    /// rustls refuses certificate or key.
    #[error("certificate and private key cannot be used")]
    Rustls(#[from] rustls::Error),
    /// The system's library refuses certificate or key.
    #[error("certificate and private key cannot be used by the system's TLS library")]
    Native(#[from] native_tls::Error),
}

/// A certificate with its acceptor.
pub(crate) struct Identity {
    acceptor: Acceptor,
    /// What clients pin.
    pub(crate) hash: CertificateHash,
}

enum Acceptor {
    Rustls(tokio_rustls::TlsAcceptor),
    Native(tokio_native_tls::TlsAcceptor),
}

impl Identity {
    /// Loads the configured certificate; on the first start makes a self-signed one.
    pub(crate) fn load(settings: &Settings, folder: &Path) -> Result<Self, TlsError> {
        let certificate = folder.join(&settings.certificate);
        let private_key = folder.join(&settings.private_key);
        match (certificate.exists(), private_key.exists()) {
            (true, true) => {}
            (false, false) => generate(&settings.certificate_names, &certificate, &private_key)?,
            (true, false) | (false, true) => {
                return Err(TlsError::Half {
                    certificate,
                    private_key,
                });
            }
        }
        let chain_pem = read(&certificate)?;
        let key_pem = read(&private_key)?;
        let chain = parse_chain(&certificate, &chain_pem)?;
        let hash = CertificateHash::of_der(&chain[0]);
        let acceptor = match settings.tls {
            TlsBackend::Rustls => {
                let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|source| TlsError::Pem {
                    path: private_key,
                    wanted: "private key",
                    source,
                })?;
                Acceptor::Rustls(Arc::new(rustls_config(chain, key)?).into())
            }
            TlsBackend::Native => {
                let identity = native_tls::Identity::from_pkcs8(&chain_pem, &key_pem)?;
                Acceptor::Native(native_tls::TlsAcceptor::new(identity)?.into())
            }
        };
        Ok(Identity { acceptor, hash })
    }

    /// The TLS handshake.
    pub(crate) async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        match &self.acceptor {
            Acceptor::Rustls(acceptor) => Ok(Stream::Rustls(Box::new(acceptor.accept(tcp).await?))),
            Acceptor::Native(acceptor) => {
                let stream = acceptor.accept(tcp).await.map_err(io::Error::other)?;
                Ok(Stream::Native(Box::new(stream)))
            }
        }
    }
}

fn rustls_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // Tickets hold the state of a session themselves: the server keeps none.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.send_tls13_tickets = TLS13_TICKETS;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

/// At least one certificate, the server's own first.
fn parse_chain(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem {
        path: path.to_owned(),
        wanted: "certificate",
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if chain.is_empty() {
        return Err(wrong(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(chain)
}

/// Makes a self-signed certificate (ECDSA P-256) for a server that has none.
fn generate(names: &[String], certificate: &Path, private_key: &Path) -> Result<(), TlsError> {
    let mut parameters = rcgen::CertificateParams::new(names)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "RoomRTC server");
    let key = rcgen::KeyPair::generate()?;
    let made = parameters.self_signed(&key)?;
    write(private_key, key.serialize_pem().as_bytes())?;
    write(certificate, made.pem().as_bytes())
}

/// Only the server's own user reads what is in its folder.
fn write(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })
}

/// An encrypted connection, whoever encrypts it.
pub(crate) enum Stream {
    Rustls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    Native(Box<tokio_native_tls::TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Rustls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Native(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Rustls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Native(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Rustls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Native(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Rustls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Native(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_first_start_makes_a_certificate_and_the_second_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        let first = Identity::load(&settings, folder.path()).unwrap();
        assert_eq!(Identity::load(&settings, folder.path()).unwrap().hash, first.hash);
        let native = Settings {
            tls: TlsBackend::Native,
            ..settings
        };
        assert_eq!(Identity::load(&native, folder.path()).unwrap().hash, first.hash);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_private_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        Identity::load(&settings, folder.path()).unwrap();
        let key = folder.path().join(settings.private_key);
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_certificate_without_its_key_is_not_replaced_silently() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        Identity::load(&settings, folder.path()).unwrap();
        fs::remove_file(folder.path().join(&settings.private_key)).unwrap();
        assert!(matches!(
            Identity::load(&settings, folder.path()),
            Err(TlsError::Half { .. })
        ));
    }
}
