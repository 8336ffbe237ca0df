//! One DTLS handshake by `webrtc-dtls`, over a pipe whose other end is the actor.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use roomrtc_kit::Port;
use roomrtc_protocol::dtls_record::sealed::{self, Records, Secrets};
use roomrtc_protocol::dtls_record::{ContentType, records};
use roomrtc_protocol::sdp::Fingerprint;
use roomrtc_protocol::srtp::{self, Contexts, Profile};
use tokio::sync::mpsc;
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{ClientAuthType, Config, ExtendedMasterSecretType};
use webrtc_dtls::conn::DTLSConn;
use webrtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use webrtc_util_dtls::{Conn, KeyingMaterialExporter};

use super::{Certificate, DtlsSettings};
use crate::ice_agent::SendDatagrams;

/// The only combination we agree to: every WebRTC implementation must have it (RFC 8827 §6.5).
pub(super) const VERSION_AND_CIPHER: &str = "DTLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
const CIPHER_SUITE: CipherSuiteId = CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256;

/// Datagrams on their way into the handshake; two flights of small fragments fit.
const PIPE_LENGTH: usize = 64;

/// Datagrams of the last flight: ChangeCipherSpec and Finished fit one.
const LAST_FLIGHT_LENGTH: usize = 2;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The peer is not who its description said.
    #[error("the peer's certificate is not the announced one")]
    WrongFingerprint,
    /// The time is over.
    #[error("the handshake took too long")]
    TimedOut,
    /// Somebody, most likely the peer, sent a fatal alert (RFC 5246 §7.2).
    #[error("the peer ended the handshake with alert {0}")]
    Alert(u8),
    /// Media could not be protected.
    #[error("no common SRTP profile")]
    NoSrtpProfile,
    /// The crate's handshake failed.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] webrtc_dtls::Error),
    /// The session's secrets could not be had.
    #[error("the keys could not be exported: {0}")]
    Export(String),
    /// The record layer refuses the secrets.
    #[error(transparent)]
    Records(#[from] sealed::Error),
    /// SRTP refuses the keying material.
    #[error(transparent)]
    Srtp(#[from] srtp::Error),
}

/// What a good handshake leaves.
pub(super) struct Finished {
    pub(super) client: bool,
    pub(super) records: Records,
    pub(super) contexts: Contexts,
}

/// The way of datagrams between the actor and the handshake.
pub(super) struct Pipe {
    to_peer: Port<SendDatagrams>,
    client: bool,
    into: mpsc::Sender<Bytes>,
    out_of: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    last_flight: Mutex<Vec<Bytes>>,
}

impl Pipe {
    pub(super) fn new(to_peer: Port<SendDatagrams>, client: bool) -> Arc<Self> {
        let (into, out_of) = mpsc::channel(PIPE_LENGTH);
        Arc::new(Pipe {
            to_peer,
            client,
            into,
            out_of: out_of.into(),
            last_flight: Mutex::default(),
        })
    }

    /// Gives the handshake a datagram that passed the guard. A full pipe drops it: the peer will repeat it.
    pub(super) fn deliver(&self, datagram: Bytes) {
        let _ = self.into.try_send(datagram);
    }

    /// The flight that ended the handshake, if it was ours: that of the DTLS server. A client must not answer a
    /// repeated last flight, or both would repeat theirs for ever.
    pub(super) fn last_flight(&self) -> Vec<Bytes> {
        self.last_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note_sent(&self, datagram: &Bytes) {
        let mut flight = self.last_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let changes_cipher = records(datagram)
            .flatten()
            .any(|(header, _)| header.content_type == ContentType::ChangeCipherSpec);
        if changes_cipher {
            flight.clear();
        }
        if !self.client && (changes_cipher || !flight.is_empty()) && flight.len() < LAST_FLIGHT_LENGTH {
            flight.push(datagram.clone());
        }
    }
}

#[async_trait]
impl Conn for Pipe {
    async fn connect(&self, _: SocketAddr) -> Result<(), webrtc_util_dtls::Error> {
        Ok(())
    }

    /// Never an error: `webrtc-dtls` would ask again at once, for ever.
    async fn recv(&self, buffer: &mut [u8]) -> Result<usize, webrtc_util_dtls::Error> {
        let datagram = self.out_of.lock().await.recv().await;
        let Some(datagram) = datagram else {
            return std::future::pending().await;
        };
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), webrtc_util_dtls::Error> {
        let length = self.recv(buffer).await?;
        Ok((length, SocketAddr::from(([0, 0, 0, 0], 0))))
    }

    async fn send(&self, datagram: &[u8]) -> Result<usize, webrtc_util_dtls::Error> {
        let datagram = Bytes::copy_from_slice(datagram);
        self.note_sent(&datagram);
        let length = datagram.len();
        self.to_peer.tell(SendDatagrams(vec![datagram]));
        Ok(length)
    }

    async fn send_to(&self, datagram: &[u8], _: SocketAddr) -> Result<usize, webrtc_util_dtls::Error> {
        self.send(datagram).await
    }

    fn local_addr(&self) -> Result<SocketAddr, webrtc_util_dtls::Error> {
        Ok(SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> Result<(), webrtc_util_dtls::Error> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// Shakes hands with a peer whose certificate must have this fingerprint.
pub(super) async fn run(
    pipe: Arc<Pipe>,
    certificate: Certificate,
    settings: DtlsSettings,
    client: bool,
    remote: Fingerprint,
) -> Result<Finished, Failure> {
    let stranger = Arc::new(AtomicBool::new(false));
    let config = config(&certificate, &settings, client, remote, stranger.clone());
    let handshake = DTLSConn::new(pipe, config, client, None);
    let connection = match tokio::time::timeout(settings.handshake_timeout, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(_)) if stranger.load(Ordering::Relaxed) => return Err(Failure::WrongFingerprint),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(Failure::TimedOut),
    };
    let state = connection.connection_state().await;
    // Once more, on what the session really holds: no path through the crate leads around this.
    let presented = state
        .peer_certificates
        .first()
        .map(|der| Fingerprint::of_certificate(der));
    if presented != Some(remote) {
        return Err(Failure::WrongFingerprint);
    }
    let profile = match connection.selected_srtpprotection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmHmacSha1_80,
        _ => return Err(Failure::NoSrtpProfile),
    };
    let material = state
        .export_keying_material(srtp::EXPORTER_LABEL, &[], profile.keying_material_length())
        .await
        .map_err(|error| Failure::Export(error.to_string()))?;
    let exported = state.marshal_binary().await?;
    let secrets = read_secrets(&exported).ok_or_else(|| Failure::Export("an unknown format".to_owned()))?;
    // From here on the crate's connection is not used: its tasks end with it.
    Ok(Finished {
        client,
        records: Records::new(&secrets)?,
        contexts: Contexts::with_limits(profile, &material, client, &settings.srtp)?,
    })
}

fn config(
    certificate: &Certificate,
    settings: &DtlsSettings,
    client: bool,
    remote: Fingerprint,
    stranger: Arc<AtomicBool>,
) -> Config {
    let srtp_protection_profiles = settings.srtp_profiles.iter().map(|profile| match profile {
        Profile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        Profile::Aes128CmHmacSha1_80 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    });
    let mut config = Config {
        certificates: vec![certificate.chain()],
        cipher_suites: vec![CIPHER_SUITE],
        srtp_protection_profiles: srtp_protection_profiles.collect(),
        // RFC 8827 §6.5: both sides show a certificate; whose it is, its fingerprint tells, no authority does.
        client_auth: ClientAuthType::RequireAnyClientCert,
        insecure_skip_verify: true,
        // RFC 7627: the master secret depends on the whole handshake.
        extended_master_secret: ExtendedMasterSecretType::Require,
        flight_interval: settings.flight_interval,
        mtu: settings.max_datagram,
        ..Config::default()
    };
    if client {
        // Sent as server_name; nobody looks at it.
        config.server_name = "roomrtc.invalid".to_owned();
    }
    config.verify_peer_certificate = Some(Arc::new(move |chain: &[Vec<u8>], _: &[_]| {
        match chain.first().map(|der| Fingerprint::of_certificate(der)) {
            Some(presented) if presented == remote => Ok(()),
            _ => {
                stranger.store(true, Ordering::Relaxed);
                Err(webrtc_dtls::Error::Other("wrong fingerprint".to_owned()))
            }
        }
    }));
    config
}

/// What `marshal_binary` writes, as far as it is of use (bincode: little-endian, lengths in 64 bits):
/// local epoch (16), remote epoch (16), local random (32 bytes), remote random (32 bytes), cipher suite (16),
/// master secret (length, bytes), sequence number (64), SRTP profile (16), certificates (count, each length and
/// bytes), identity hint (length, bytes), whether it is the client (8).
fn read_secrets(exported: &[u8]) -> Option<Secrets> {
    let mut rest = exported;
    let (epochs, randoms) = (
        [rest.try_get_u16_le().ok()?, rest.try_get_u16_le().ok()?],
        rest.get(..64)?,
    );
    rest.advance(64);
    let suite = rest.try_get_u16_le().ok()?;
    let master_secret = take_bytes(&mut rest)?;
    let next_sequence = rest.try_get_u64_le().ok()?;
    rest.try_get_u16_le().ok()?;
    for _ in 0..rest.try_get_u64_le().ok()? {
        take_bytes(&mut rest)?;
    }
    take_bytes(&mut rest)?;
    let client = rest.try_get_u8().ok()? == 1;
    if epochs != [1, 1] || suite != CIPHER_SUITE as u16 || !rest.is_empty() {
        return None;
    }
    let (local, remote): ([u8; 32], [u8; 32]) =
        (randoms[..32].try_into().ok()?, randoms[32..].try_into().ok()?);
    let (client_random, server_random) = if client { (local, remote) } else { (remote, local) };
    Some(Secrets {
        master_secret: master_secret.to_vec(),
        client_random,
        server_random,
        client,
        next_sequence,
    })
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(rest.try_get_u64_le().ok()?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}
