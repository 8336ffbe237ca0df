//! Secure RTP for one call: encrypts what we send, authenticates and decrypts what we receive (RFC 3711, RFC 7714).
//!
//! Reading order: [`Profile`] (what DTLS may negotiate), [`Contexts`] (both directions of one key), [`Error`].
//!
//! `webrtc-srtp` does the ciphers. Around it stand the rules it leaves to its user:
//!
//! * no index is used twice under one key (RFC 3711 §9.1): packets of one SSRC are protected in rising order only;
//! * replay protection is on, for SRTP and SRTCP;
//! * a sender gets state only after one of its packets was authentic, and the number of senders is bounded:
//!   forged SSRCs cost nothing that lasts;
//! * SRTCP without encryption is refused: the crate would hand it over without looking at its tag;
//! * the header's length is measured here, without the panicking parser of header extensions.

use std::collections::HashMap;

use bytes::Bytes;
use rtp::header::Header;
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

/// The exporter label of DTLS-SRTP (RFC 5764 §4.2).
pub const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// SSRCs one side may signal or send under.
const MAX_SSRCS: usize = 32;

/// RFC 3550 §5.1: the fixed part of the header.
const RTP_HEADER_LENGTH: usize = 12;

/// RFC 3550 §6.4: the common header and the SSRC of the sender.
const RTCP_HEADER_LENGTH: usize = 8;

/// RFC 3711 §3.4: the E flag and the SRTCP index.
const SRTCP_INDEX_LENGTH: usize = 4;

/// RFC 3711 §9.2: "2^48 SRTP packets or 2^31 SRTCP packets", whichever comes first.
const MAX_SRTP_INDEX: u64 = (1 << 48) - 1;
const MAX_SRTCP_INDEX: u32 = (1 << 31) - 1;

/// A protection profile that DTLS may negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// SRTP_AES128_CM_HMAC_SHA1_80 (RFC 5764 §4.1.2): every WebRTC implementation has it.
    Aes128CmHmacSha1_80,
    /// SRTP_AEAD_AES_128_GCM (RFC 7714 §14.2): preferred.
    AeadAes128Gcm,
}

impl Profile {
    /// How many bytes to export from the DTLS session (RFC 5764 §4.2): two keys and two salts.
    pub fn keying_material_length(self) -> usize {
        2 * (self.inner().key_len() + self.inner().salt_len())
    }

    /// What authentication adds to an RTP packet.
    pub fn rtp_overhead(self) -> usize {
        self.inner().rtp_auth_tag_len() + self.inner().aead_auth_tag_len()
    }

    /// What authentication adds to an RTCP packet, the index included.
    pub fn rtcp_overhead(self) -> usize {
        self.inner().rtcp_auth_tag_len() + self.inner().aead_auth_tag_len() + SRTCP_INDEX_LENGTH
    }

    fn inner(self) -> ProtectionProfile {
        match self {
            Profile::Aes128CmHmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Profile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
            Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        })
    }
}

/// What may be configured.
#[derive(Clone, Debug)]
pub struct Limits {
    /// SRTP packets remembered against replay. RFC 3711 §3.3.2 asks for at least 64.
    pub replay_window: usize,
    /// SRTCP packets remembered against replay.
    pub rtcp_replay_window: usize,
    /// Senders without a signaled SSRC that are let in, for RTP and for RTCP each.
    pub unsignaled_sources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            replay_window: 1024,
            rtcp_replay_window: 128,
            unsignaled_sources: 8,
        }
    }
}

/// Why a packet was refused; each is a counter, none ends the call.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The handshake has not finished.
    #[error("there are no keys yet")]
    NotReady,
    /// The exported bytes do not fit the profile.
    #[error("{got} bytes of keying material, {needed} needed")]
    KeyingMaterial {
        /// What the profile takes.
        needed: usize,
        /// What came.
        got: usize,
    },
    /// The packet ends inside its header or its tag.
    #[error("{left} bytes left, {needed} needed")]
    Truncated {
        /// What the format asks for.
        needed: usize,
        /// What was there.
        left: usize,
    },
    /// Neither signaled nor among the first few authentic ones.
    #[error("unknown sender {0:#010x}")]
    UnknownSsrc(u32),
    /// Protecting it would use an index a second time (RFC 3711 §9.1).
    #[error("packet {sequence} of sender {ssrc:#010x} is not newer than the last")]
    IndexReused {
        /// The sender.
        ssrc: u32,
        /// The refused sequence number.
        sequence: u16,
    },
    /// The key has protected all it may (RFC 3711 §9.2).
    #[error("the key is used up")]
    KeyExhausted,
    /// SRTCP with the E flag clear; everything on our wire is encrypted (RFC 8827 §6.5).
    #[error("not encrypted")]
    NotEncrypted,
    /// Seen before, or too old to tell.
    #[error("replayed")]
    Replayed,
    /// Forged, damaged, or not ours.
    #[error("not authentic")]
    NotAuthentic,
}

impl From<webrtc_srtp::Error> for Error {
    fn from(error: webrtc_srtp::Error) -> Self {
        match error {
            webrtc_srtp::Error::SrtpSsrcDuplicated(..) | webrtc_srtp::Error::SrtcpSsrcDuplicated(..) => {
                Error::Replayed
            }
            webrtc_srtp::Error::ErrExceededMaxPackets => Error::KeyExhausted,
            _ => Error::NotAuthentic,
        }
    }
}

/// The master key and salt of one direction.
struct MasterKey {
    profile: Profile,
    limits: Limits,
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl MasterKey {
    fn context(&self) -> Result<Context, Error> {
        let rtp = Some(srtp_replay_protection(self.limits.replay_window));
        let rtcp = Some(srtcp_replay_protection(self.limits.rtcp_replay_window));
        Ok(Context::new(
            &self.key,
            &self.salt,
            self.profile.inner(),
            rtp,
            rtcp,
        )?)
    }
}

/// Both directions under the keys of one DTLS handshake.
pub struct Contexts {
    profile: Profile,
    sender: Sender,
    receiver: Receiver,
}

impl Contexts {
    /// From the bytes exported under [`EXPORTER_LABEL`]; `client` says whether we were the DTLS client.
    pub fn new(profile: Profile, keying_material: &[u8], client: bool) -> Result<Self, Error> {
        Self::with_limits(profile, keying_material, client, &Limits::default())
    }

    /// The same, with other limits than usual.
    pub fn with_limits(
        profile: Profile,
        keying_material: &[u8],
        client: bool,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let needed = profile.keying_material_length();
        if keying_material.len() != needed {
            return Err(Error::KeyingMaterial {
                needed,
                got: keying_material.len(),
            });
        }
        // RFC 5764 §4.2: client_write_SRTP_master_key, server_write_SRTP_master_key, client salt, server salt.
        let (keys, salts) = keying_material.split_at(2 * profile.inner().key_len());
        let (client_key, server_key) = keys.split_at(profile.inner().key_len());
        let (client_salt, server_salt) = salts.split_at(profile.inner().salt_len());
        let master = |key: &[u8], salt: &[u8]| MasterKey {
            profile,
            limits: limits.clone(),
            key: key.to_vec(),
            salt: salt.to_vec(),
        };
        let (ours, theirs) = match client {
            true => (master(client_key, client_salt), master(server_key, server_salt)),
            false => (master(server_key, server_salt), master(client_key, client_salt)),
        };
        Ok(Contexts {
            profile,
            sender: Sender::new(&ours)?,
            receiver: Receiver::new(theirs)?,
        })
    }

    /// What was negotiated.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The SSRCs the peer announced in its description; from now on RTP of others is refused.
    pub fn allow_ssrcs(&mut self, ssrcs: &[u32]) {
        self.receiver.signaled = ssrcs.iter().copied().take(MAX_SSRCS).collect();
    }

    /// Encrypts a whole RTP packet. Packets of one SSRC must come in rising order; one that is to be sent again
    /// is kept as protected.
    pub fn protect_rtp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        self.sender.protect_rtp(packet)
    }

    /// Encrypts a whole compound RTCP packet.
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        self.sender.protect_rtcp(packet)
    }

    /// Authenticates and decrypts an SRTP packet.
    pub fn unprotect_rtp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        self.receiver.unprotect_rtp(packet)
    }

    /// Authenticates and decrypts an SRTCP packet.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        self.receiver.unprotect_rtcp(packet)
    }
}

struct Sender {
    context: Context,
    /// The highest index protected, by SSRC.
    rtp: HashMap<u32, u64>,
    /// Packets protected, by SSRC.
    rtcp: HashMap<u32, u32>,
}

impl Sender {
    fn new(master: &MasterKey) -> Result<Self, Error> {
        Ok(Sender {
            context: master.context()?,
            rtp: HashMap::new(),
            rtcp: HashMap::new(),
        })
    }

    fn protect_rtp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        let header = measure_header(packet)?;
        let (ssrc, sequence) = (header.ssrc, header.sequence_number);
        let index = match self.rtp.get(&ssrc) {
            None if self.rtp.len() >= MAX_SSRCS => return Err(Error::UnknownSsrc(ssrc)),
            None => u64::from(sequence),
            Some(&highest) => match sequence.wrapping_sub(highest as u16) {
                0 | 0x8000.. => return Err(Error::IndexReused { ssrc, sequence }),
                ahead => highest + u64::from(ahead),
            },
        };
        if index > MAX_SRTP_INDEX {
            return Err(Error::KeyExhausted);
        }
        // Written ahead: should the cipher fail, the index is lost, not used twice.
        self.rtp.insert(ssrc, index);
        Ok(self.context.encrypt_rtp_with_header(packet, &header)?)
    }

    fn protect_rtcp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        let ssrc = rtcp_ssrc(packet, RTCP_HEADER_LENGTH)?;
        if !self.rtcp.contains_key(&ssrc) && self.rtcp.len() >= MAX_SSRCS {
            return Err(Error::UnknownSsrc(ssrc));
        }
        let protected = self.rtcp.entry(ssrc).or_insert(0);
        // The crate starts again from 0 here.
        if *protected >= MAX_SRTCP_INDEX {
            return Err(Error::KeyExhausted);
        }
        *protected += 1;
        Ok(self.context.encrypt_rtcp(packet)?)
    }
}

struct Receiver {
    master: MasterKey,
    context: Context,
    signaled: Vec<u32>,
    /// Not signaled, but authentic.
    admitted_rtp: Vec<u32>,
    admitted_rtcp: Vec<u32>,
}

impl Receiver {
    fn new(master: MasterKey) -> Result<Self, Error> {
        Ok(Receiver {
            context: master.context()?,
            master,
            signaled: Vec::new(),
            admitted_rtp: Vec::new(),
            admitted_rtcp: Vec::new(),
        })
    }

    fn unprotect_rtp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        let header = measure_header(packet)?;
        let needed = header_length(&header) + self.master.profile.rtp_overhead();
        if packet.len() < needed {
            return Err(Error::Truncated {
                needed,
                left: packet.len(),
            });
        }
        if !self.signaled.contains(&header.ssrc) && !self.admitted_rtp.contains(&header.ssrc) {
            if !self.signaled.is_empty() || self.admitted_rtp.len() >= self.master.limits.unsignaled_sources {
                return Err(Error::UnknownSsrc(header.ssrc));
            }
            // A context of its own, thrown away: a forged packet leaves nothing behind.
            self.master.context()?.decrypt_rtp_with_header(packet, &header)?;
            self.admitted_rtp.push(header.ssrc);
        }
        Ok(self.context.decrypt_rtp_with_header(packet, &header)?)
    }

    fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        let ssrc = rtcp_ssrc(packet, RTCP_HEADER_LENGTH + self.master.profile.rtcp_overhead())?;
        // RFC 3711 §3.4: the E flag is the first bit of the index word, which a SHA-1 tag follows and a GCM tag
        // precedes (RFC 7714 §9).
        let tag_behind = self.master.profile.inner().rtcp_auth_tag_len();
        if packet[packet.len() - tag_behind - SRTCP_INDEX_LENGTH] & 0x80 == 0 {
            return Err(Error::NotEncrypted);
        }
        // A peer that only receives reports under an SSRC it never announced, so others are let in here.
        if !self.signaled.contains(&ssrc) && !self.admitted_rtcp.contains(&ssrc) {
            if self.admitted_rtcp.len() >= self.master.limits.unsignaled_sources {
                return Err(Error::UnknownSsrc(ssrc));
            }
            self.master.context()?.decrypt_rtcp(packet)?;
            self.admitted_rtcp.push(ssrc);
        }
        Ok(self.context.decrypt_rtcp(packet)?)
    }
}

/// A header with the right length, SSRC and sequence number; extensions count as so many bytes.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// ```
fn measure_header(packet: &[u8]) -> Result<Header, Error> {
    let truncated = |needed| Error::Truncated {
        needed,
        left: packet.len(),
    };
    let fixed: &[u8; RTP_HEADER_LENGTH] = packet.first_chunk().ok_or(truncated(RTP_HEADER_LENGTH))?;
    let extension = fixed[0] & 0x10 != 0;
    let mut header = Header {
        version: fixed[0] >> 6,
        extension,
        sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        csrc: vec![0; usize::from(fixed[0] & 0x0f)],
        ..Header::default()
    };
    if extension {
        // RFC 3550 §5.3.1: profile, then the number of 32-bit words that follow.
        let start = RTP_HEADER_LENGTH + 4 * header.csrc.len();
        let words = packet.get(start + 2..start + 4).ok_or(truncated(start + 4))?;
        header.extensions_padding = 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    let needed = header_length(&header);
    if packet.len() < needed {
        return Err(truncated(needed));
    }
    Ok(header)
}

fn header_length(header: &Header) -> usize {
    let extension = if header.extension {
        4 + header.extensions_padding
    } else {
        0
    };
    RTP_HEADER_LENGTH + 4 * header.csrc.len() + extension
}

fn rtcp_ssrc(packet: &[u8], needed: usize) -> Result<u32, Error> {
    if packet.len() < needed {
        return Err(Error::Truncated {
            needed,
            left: packet.len(),
        });
    }
    Ok(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
}

#[cfg(test)]
mod tests;
