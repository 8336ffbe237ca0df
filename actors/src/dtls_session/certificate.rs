//! The certificate of one run of the client.

use std::sync::Arc;

use roomrtc_protocol::sdp::Fingerprint;

/// A self-signed certificate (ECDSA with P-256, RFC 8827 §6.5) and its private key. Clones share it.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    certificate: webrtc_dtls::crypto::Certificate,
    fingerprint: Fingerprint,
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate could be made: {0}")]
pub struct CertificateError(String);

impl Certificate {
    /// Makes one with a fresh key. It names nobody: peers know it by its fingerprint.
    pub fn generate() -> Result<Self, CertificateError> {
        let certificate =
            webrtc_dtls::crypto::Certificate::generate_self_signed(vec!["roomrtc.invalid".to_owned()])
                .map_err(|error| CertificateError(error.to_string()))?;
        let der = certificate
            .certificate
            .first()
            .ok_or_else(|| CertificateError("it is empty".to_owned()))?;
        let fingerprint = Fingerprint::of_certificate(der);
        Ok(Certificate(Arc::new(Inner {
            certificate,
            fingerprint,
        })))
    }

    /// What our description announces.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    pub(super) fn chain(&self) -> webrtc_dtls::crypto::Certificate {
        self.0.certificate.clone()
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.0.fingerprint)
    }
}
