//! RTCP packets. All share a header, and several make one *compound* datagram (RFC 3550 §6.1):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  count  |  packet type  |     length in words - 1       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              SSRC of the packet's sender                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::Error;
use super::remb::Remb;
use super::transport_feedback::TransportFeedback;
use crate::time::NtpTime;

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
pub(super) mod kind {
    pub(in crate::rtcp) const SENDER_REPORT: u8 = 200;
    pub(in crate::rtcp) const RECEIVER_REPORT: u8 = 201;
    pub(in crate::rtcp) const SOURCE_DESCRIPTION: u8 = 202;
    pub(in crate::rtcp) const GOODBYE: u8 = 203;
    pub(in crate::rtcp) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(in crate::rtcp) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Feedback formats, in the place of the count (RFC 4585 §6.2.1, §6.3.1, §6.4; RFC 5104 §4.3.1;
/// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const PICTURE_LOSS: u8 = 1;
    pub(super) const FULL_INTRA: u8 = 4;
    pub(super) const TRANSPORT_WIDE: u8 = 15;
    pub(super) const APPLICATION: u8 = 15;
}

/// The CNAME item of a source description (RFC 3550 §6.5.1).
const CNAME: u8 = 1;
/// A count has 5 bits.
const MAX_COUNT: usize = 31;
/// Packets a NACK item names: one, and a bit for each of the 16 after it (RFC 4585 §6.2.1).
const NACK_BITS: u16 = 16;

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcpPacket {
    /// What a source has sent, and what it has received (RFC 3550 §6.4.1).
    SenderReport {
        /// The source.
        ssrc: u32,
        /// Its own figures.
        sent: SenderInfo,
        /// What it received.
        reports: Vec<ReportBlock>,
    },
    /// What a receiver has received (RFC 3550 §6.4.2).
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// What it received.
        reports: Vec<ReportBlock>,
    },
    /// Who sources are: SSRCs with their canonical names (RFC 3550 §6.5).
    SourceDescription(Vec<(u32, String)>),
    /// Sources that have left (RFC 3550 §6.6).
    Goodbye(Vec<u32>),
    /// Packets to send again (RFC 4585 §6.2.1).
    Nack {
        /// Who asks.
        sender: u32,
        /// The stream.
        media: u32,
        /// The packets.
        sequences: Vec<u16>,
    },
    /// A picture could not be shown; a key frame is needed (RFC 4585 §6.3.1).
    PictureLoss {
        /// Who asks.
        sender: u32,
        /// The stream.
        media: u32,
    },
    /// A key frame is needed (RFC 5104 §4.3.1).
    FullIntraRequest {
        /// Who asks.
        sender: u32,
        /// The streams, each with a number that is new for each new request.
        requests: Vec<(u32, u8)>,
    },
    /// Which packets of the transport came, and when.
    TransportFeedback(TransportFeedback),
    /// How much the receiver takes at most.
    Remb(Remb),
}

/// A sender's figures (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The wall-clock time of the report.
    pub ntp: NtpTime,
    /// The media time of the same moment.
    pub timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub octets: u32,
}

/// The reception of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Loss since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost so far (24 bits, signed).
    pub lost: i32,
    /// The extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the media clock.
    pub jitter: u32,
    /// The compact NTP time of the last sender report received, or 0.
    pub last_report: u32,
    /// The time since then in 1/65536 s.
    pub delay: u32,
}

/// Reads a decrypted datagram. Packets of unknown types are left out.
///
/// # Errors
/// When the packets do not fit their lengths; nothing of the datagram is used then.
pub fn parse_compound(datagram: &[u8]) -> Result<Vec<RtcpPacket>, Error> {
    let mut packets = Vec::new();
    let mut rest = Reader(datagram);
    while !rest.0.is_empty() {
        let [flags, kind, high, low] = rest.array()?;
        if flags >> 6 != 2 {
            return Err(Error::Version(flags >> 6));
        }
        let mut body = rest.take(4 * usize::from(u16::from_be_bytes([high, low])))?;
        if flags & 0x20 != 0 {
            body = without_padding(body, rest.0.is_empty())?;
        }
        packets.extend(parse_one(flags & 0x1f, kind, Reader(body))?);
    }
    Ok(packets)
}

/// RFC 3550 §6.4.1: padding is only in the last packet of a compound, its last byte counts it.
fn without_padding(body: &[u8], last: bool) -> Result<&[u8], Error> {
    let count = usize::from(*body.last().ok_or(Error::Padding)?);
    match body.len().checked_sub(count) {
        Some(end) if count > 0 && last => Ok(&body[..end]),
        _ => Err(Error::Padding),
    }
}

fn parse_one(count: u8, kind: u8, mut body: Reader<'_>) -> Result<Option<RtcpPacket>, Error> {
    Ok(Some(match (kind, count) {
        (kind::SENDER_REPORT, _) => RtcpPacket::SenderReport {
            ssrc: body.u32()?,
            sent: parse_sender_info(&mut body)?,
            reports: parse_blocks(count, &mut body)?,
        },
        (kind::RECEIVER_REPORT, _) => RtcpPacket::ReceiverReport {
            ssrc: body.u32()?,
            reports: parse_blocks(count, &mut body)?,
        },
        (kind::SOURCE_DESCRIPTION, _) => RtcpPacket::SourceDescription(parse_descriptions(count, &mut body)?),
        (kind::GOODBYE, _) => {
            let ssrcs: Result<_, _> = (0..count).map(|_| body.u32()).collect();
            RtcpPacket::Goodbye(ssrcs?)
        }
        (kind::TRANSPORT_FEEDBACK, format::NACK) => RtcpPacket::Nack {
            sender: body.u32()?,
            media: body.u32()?,
            sequences: parse_nack_items(&mut body)?,
        },
        (kind::PAYLOAD_FEEDBACK, format::PICTURE_LOSS) => RtcpPacket::PictureLoss {
            sender: body.u32()?,
            media: body.u32()?,
        },
        (kind::PAYLOAD_FEEDBACK, format::FULL_INTRA) => {
            let sender = body.u32()?;
            body.u32()?; // RFC 5104 §4.3.1.2: the media SSRC is not used
            RtcpPacket::FullIntraRequest {
                sender,
                requests: parse_intra_requests(&mut body)?,
            }
        }
        (kind::TRANSPORT_FEEDBACK, format::TRANSPORT_WIDE) => {
            RtcpPacket::TransportFeedback(TransportFeedback::parse(&mut body)?)
        }
        (kind::PAYLOAD_FEEDBACK, format::APPLICATION) => {
            return Ok(Remb::parse(&mut body)?.map(RtcpPacket::Remb));
        }
        _ => return Ok(None),
    }))
}

fn parse_sender_info(body: &mut Reader<'_>) -> Result<SenderInfo, Error> {
    Ok(SenderInfo {
        ntp: NtpTime(u64::from_be_bytes(body.array()?)),
        timestamp: body.u32()?,
        packets: body.u32()?,
        octets: body.u32()?,
    })
}

fn parse_blocks(count: u8, body: &mut Reader<'_>) -> Result<Vec<ReportBlock>, Error> {
    (0..count)
        .map(|_| {
            let ssrc = body.u32()?;
            let [fraction_lost, l0, l1, l2] = body.array()?;
            Ok(ReportBlock {
                ssrc,
                fraction_lost,
                // Sign extension of 24 bits.
                lost: i32::from_be_bytes([l0, l1, l2, 0]) >> 8,
                highest_sequence: body.u32()?,
                jitter: body.u32()?,
                last_report: body.u32()?,
                delay: body.u32()?,
            })
        })
        .collect()
}

/// Chunks of items; only the canonical name matters here.
fn parse_descriptions(count: u8, body: &mut Reader<'_>) -> Result<Vec<(u32, String)>, Error> {
    let mut named = Vec::new();
    for _ in 0..count {
        let ssrc = body.u32()?;
        let mut chunk_len = 4;
        loop {
            let [item] = body.array()?;
            chunk_len += 1;
            if item == 0 {
                break;
            }
            let [len] = body.array()?;
            let text = body.take(usize::from(len))?;
            chunk_len += 1 + text.len();
            if item == CNAME {
                named.push((ssrc, String::from_utf8_lossy(text).into_owned()));
            }
        }
        // RFC 3550 §6.5: a chunk is padded "to the next 32-bit boundary".
        body.take((4 - chunk_len % 4) % 4)?;
    }
    Ok(named)
}

/// RFC 4585 §6.2.1: "PID … BLP: … The BLP allows for reporting losses of any of the 16 RTP packets immediately
/// following the RTP packet indicated by the PID."
fn parse_nack_items(body: &mut Reader<'_>) -> Result<Vec<u16>, Error> {
    let mut sequences = Vec::new();
    while !body.0.is_empty() {
        let [p0, p1, b0, b1] = body.array()?;
        let first = u16::from_be_bytes([p0, p1]);
        let following = u16::from_be_bytes([b0, b1]);
        sequences.push(first);
        sequences.extend(
            (0..NACK_BITS)
                .filter(|bit| following >> bit & 1 == 1)
                .map(|bit| first.wrapping_add(bit + 1)),
        );
    }
    Ok(sequences)
}

fn parse_intra_requests(body: &mut Reader<'_>) -> Result<Vec<(u32, u8)>, Error> {
    let mut requests = Vec::new();
    while !body.0.is_empty() {
        let ssrc = body.u32()?;
        let [number, _, _, _] = body.array()?;
        requests.push((ssrc, number));
    }
    Ok(requests)
}

/// Takes bytes off the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, needed: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(needed).ok_or(Error::Truncated {
            needed,
            left: self.0.len(),
        })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Error::Truncated {
            needed: N,
            left: self.0.len(),
        })?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(self.array()?))
    }
}

/// Writes a compound datagram.
pub fn write_compound(packets: &[RtcpPacket]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for packet in packets {
        packet.write(&mut out);
    }
    out
}

impl RtcpPacket {
    /// Appends the packet. What does not fit a 5-bit count is left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let (kind, count) = self.write_body(out);
        let words = (out.len() - start) / 4 - 1;
        let [high, low] = (words as u16).to_be_bytes();
        out[start..start + 4].copy_from_slice(&[0x80 | count, kind, high, low]);
    }

    /// Appends everything behind the first word; answers packet type and count.
    fn write_body(&self, out: &mut Vec<u8>) -> (u8, u8) {
        match self {
            RtcpPacket::SenderReport { ssrc, sent, reports } => {
                words(out, &[*ssrc]);
                out.extend_from_slice(&sent.ntp.0.to_be_bytes());
                words(out, &[sent.timestamp, sent.packets, sent.octets]);
                (kind::SENDER_REPORT, write_blocks(out, reports))
            }
            RtcpPacket::ReceiverReport { ssrc, reports } => {
                words(out, &[*ssrc]);
                (kind::RECEIVER_REPORT, write_blocks(out, reports))
            }
            RtcpPacket::SourceDescription(named) => {
                (kind::SOURCE_DESCRIPTION, write_descriptions(out, named))
            }
            RtcpPacket::Goodbye(ssrcs) => {
                let ssrcs = &ssrcs[..ssrcs.len().min(MAX_COUNT)];
                words(out, ssrcs);
                (kind::GOODBYE, ssrcs.len() as u8)
            }
            RtcpPacket::Nack {
                sender,
                media,
                sequences,
            } => {
                words(out, &[*sender, *media]);
                write_nack_items(out, sequences);
                (kind::TRANSPORT_FEEDBACK, format::NACK)
            }
            RtcpPacket::PictureLoss { sender, media } => {
                words(out, &[*sender, *media]);
                (kind::PAYLOAD_FEEDBACK, format::PICTURE_LOSS)
            }
            RtcpPacket::FullIntraRequest { sender, requests } => {
                words(out, &[*sender, 0]);
                for (ssrc, number) in requests {
                    words(out, &[*ssrc, u32::from(*number) << 24]);
                }
                (kind::PAYLOAD_FEEDBACK, format::FULL_INTRA)
            }
            RtcpPacket::TransportFeedback(feedback) => {
                feedback.write(out);
                (kind::TRANSPORT_FEEDBACK, format::TRANSPORT_WIDE)
            }
            RtcpPacket::Remb(remb) => {
                remb.write(out);
                (kind::PAYLOAD_FEEDBACK, format::APPLICATION)
            }
        }
    }
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

fn write_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) -> u8 {
    let blocks = &blocks[..blocks.len().min(MAX_COUNT)];
    for block in blocks {
        let [_, l0, l1, l2] = block.lost.clamp(-(1 << 23), (1 << 23) - 1).to_be_bytes();
        words(
            out,
            &[block.ssrc, u32::from_be_bytes([block.fraction_lost, l0, l1, l2])],
        );
        words(
            out,
            &[
                block.highest_sequence,
                block.jitter,
                block.last_report,
                block.delay,
            ],
        );
    }
    blocks.len() as u8
}

fn write_descriptions(out: &mut Vec<u8>, named: &[(u32, String)]) -> u8 {
    let named = &named[..named.len().min(MAX_COUNT)];
    for (ssrc, name) in named {
        let name = &name.as_bytes()[..name.len().min(usize::from(u8::MAX))];
        words(out, &[*ssrc]);
        out.extend_from_slice(&[CNAME, name.len() as u8]);
        out.extend_from_slice(name);
        // A zero ends the items, more of them fill the word.
        let end = 4 - (2 + name.len()) % 4;
        out.extend_from_slice(&[0; 4][..end]);
    }
    named.len() as u8
}

/// Packs sequence numbers, ascending but for wraps, into as few items as there can be.
fn write_nack_items(out: &mut Vec<u8>, sequences: &[u16]) {
    let mut rest = sequences.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut following = 0u16;
        while let Some(next) = rest.peek() {
            match next.wrapping_sub(first) {
                0 => {}
                after @ 1..=NACK_BITS => following |= 1 << (after - 1),
                _ => break,
            }
            rest.next();
        }
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&following.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
