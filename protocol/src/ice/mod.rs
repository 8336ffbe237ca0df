//! Interactive Connectivity Establishment (RFC 8445) with trickling (RFC 8838) and consent (RFC 7675).
//!
//! Reading order: [`credentials`], [`candidate`] (what is signaled), [`server_uri`] (where the servers are), [`gathering`]
//! (server-reflexive candidates), [`relay`] (relayed ones), [`mdns`] (the peer's hidden ones), [`framing`] (streams to the
//! peer), [`consent`] (is the peer still there?), [`interface`] (settings, events, outputs), [`agent`] (the machine an
//! actor drives; the checks themselves are done by crate `is`).
//!
//! ```text
//!             set_remote_credentials      a pair answers           nothing heard
//!   New ───────────────► Checking ───────────────► Connected ◄──────────────► Disconnected
//!                           │                          │   something heard          │
//!                           └──── no pair answers ─────┴──── consent expires ───────┴──► Failed
//!   restart() leads back to Checking from everywhere; the selected pair stays in use meanwhile.
//! ```

pub mod agent;
pub mod candidate;
pub mod consent;
pub mod credentials;
pub mod framing;
pub mod gathering;
pub mod interface;
pub mod mdns;
pub mod relay;
pub mod server_uri;

pub use agent::{ANY_PORT, IceAgent};
pub use candidate::CandidateError;
pub use credentials::{CredentialsError, IceCredentials};
pub use framing::{Deframer, frame};
pub use gathering::reaches;
pub use interface::{Event, Output, SelectedPair, Settings, State, Transmit};
pub use mdns::{Names, NamesOutput};
pub use relay::{Forwarded, Link, RelayLogin, RelayOutput, Relays, Transport};
pub use server_uri::{ServerKind, ServerUri};

#[cfg(test)]
mod tests;
