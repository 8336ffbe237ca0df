//! Everything that can be set, out of one `config.ron`.
//!
//! Reading order: one section a file ([`network`], [`media`], [`rtp`], …) lists the keys; `section` is what a key
//! is; `load` finds and reads the file; `problem` and `outline` say what is wrong in it, and where; `write` makes
//! the commented file and the manual from the same tables.

mod client;
mod data_channels;
mod debug;
mod ice;
mod load;
mod logging;
mod media;
mod network;
mod outline;
mod problem;
mod rtcp;
mod rtp;
mod sdp;
mod section;
mod server;
mod write;

use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use serde::{Deserialize, Serialize};

pub use client::{Client, Theme};
pub use data_channels::DataChannels;
pub use debug::Debug;
pub use ice::Ice;
pub use load::Loaded;
pub use logging::{Level, Logging, Rotation};
pub use media::{AudioSource, H264Encoder, Media, Play, VideoCodec, VideoSource};
pub use network::{Network, SrtpProfile};
pub use problem::{ConfigError, Place, Problem};
pub use rtcp::Rtcp;
pub use rtp::Rtp;
pub use sdp::Sdp;
pub use section::Key;
pub use server::{Server, TlsBackend};
pub use write::{config_file, manual};

use section::{Fault, Section};

/// The keys of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is about.
    pub about: String,
    /// Its keys, in order.
    pub keys: Vec<Key>,
}

macro_rules! config {
    ($($(#[doc = $doc:literal])+ $name:ident: $section:ty,)+) => {
        /// Every setting of both programs.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $section,)+
        }

        impl Config {
            /// Every value is allowed.
            fn check(&self) -> Result<(), (&'static str, Fault)> {
                $(self.$name.check().map_err(|fault| (<$section>::NAME, fault))?;)+
                Ok(())
            }

            /// Changes one key; none if there is no such section.
            fn set(&mut self, section: &str, key: &str, text: &str) -> Option<Result<(), Fault>> {
                match section {
                    $(<$section>::NAME => Some(self.$name.set(key, text)),)+
                    _ => None,
                }
            }
        }

        /// All sections with their keys, in the order of the file.
        pub fn tables() -> Vec<Table> {
            vec![$(Table {
                name: <$section>::NAME,
                about: <$section>::about(),
                keys: <$section>::keys(),
            }),+]
        }
    };
}

config! {
    /// Sockets and encryption below a call.
    network: Network,
    /// Devices and codecs.
    media: Media,
    /// Media packets.
    rtp: Rtp,
    /// Reports and repair.
    rtcp: Rtcp,
    /// Session descriptions.
    sdp: Sdp,
    /// Finding the path between the peers.
    ice: Ice,
    /// Data channels and files.
    data_channels: DataChannels,
    /// The signaling server.
    server: Server,
    /// The client.
    client: Client,
    /// Logs.
    logging: Logging,
    /// For developers.
    debug: Debug,
}

impl Config {
    /// Values that depend on one another agree.
    fn agree(&self) -> Result<(), (&'static str, Fault)> {
        let Config {
            network,
            media,
            rtp,
            rtcp,
            ice,
            server,
            client,
            ..
        } = self;
        ascending(
            network,
            "udp_port_min",
            network.udp_port_min,
            "udp_port_max",
            network.udp_port_max,
        )?;
        let [least, start, most] = [
            media.min_bitrate_kbps,
            media.start_bitrate_kbps,
            media.max_bitrate_kbps,
        ];
        ascending(media, "min_bitrate_kbps", least, "start_bitrate_kbps", start)?;
        ascending(media, "start_bitrate_kbps", start, "max_bitrate_kbps", most)?;
        ascending(
            rtp,
            "audio_min_delay_ms",
            rtp.audio_min_delay_ms,
            "audio_max_delay_ms",
            rtp.audio_max_delay_ms,
        )?;
        ascending(
            rtcp,
            "loss_low_percent",
            rtcp.loss_low_percent,
            "loss_high_percent",
            rtcp.loss_high_percent,
        )?;
        let [interval, timeout] = [ice.consent_interval_ms, ice.consent_timeout_ms];
        ascending(
            ice,
            "consent_interval_ms",
            interval,
            "consent_timeout_ms",
            timeout,
        )?;
        let [interval, timeout] = [server.heartbeat_interval_ms, server.heartbeat_timeout_ms];
        ascending(
            server,
            "heartbeat_interval_ms",
            interval,
            "heartbeat_timeout_ms",
            timeout,
        )?;
        let [interval, timeout] = [client.heartbeat_interval_ms, client.heartbeat_timeout_ms];
        ascending(
            client,
            "heartbeat_interval_ms",
            interval,
            "heartbeat_timeout_ms",
            timeout,
        )?;
        let [first, most] = [client.reconnect_first_ms, client.reconnect_max_ms];
        ascending(client, "reconnect_first_ms", first, "reconnect_max_ms", most)?;
        self.sdp
            .payload_types_differ()
            .map_err(|fault| (Sdp::NAME, fault))
    }
}

/// The first key's value is not above the second's.
fn ascending<S: Section, T: PartialOrd>(
    _section: &S,
    low_key: &str,
    low: T,
    high_key: &str,
    high: T,
) -> Result<(), (&'static str, Fault)> {
    if low <= high {
        return Ok(());
    }
    let fault = Fault {
        key: low_key.into(),
        why: format!("it is above `{high_key}`"),
        hint: Some(format!("lower it, or raise `{high_key}`")),
    };
    Err((S::NAME, fault))
}

/// A folder as configured, or the usual one of a program.
fn data_folder(configured: &Path, program: &str) -> PathBuf {
    if !configured.as_os_str().is_empty() {
        return configured.to_path_buf();
    }
    // Without a home folder (a bare service account) the current folder takes its place.
    let base = folders().map_or_else(
        || PathBuf::from("roomrtc-data"),
        |folders| folders.data_dir().into(),
    );
    base.join(program)
}

/// The user's folders for this program.
pub(crate) fn folders() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "roomrtc")
}

#[cfg(test)]
mod tests;
