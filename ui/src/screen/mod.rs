//! One file a screen: State, Message, Action, `update`, `view`. A screen answers with an action; only `app`
//! changes screens and talks to the client.

pub mod call;
pub mod lobby;
pub mod login;
pub mod outgoing;
pub mod settings;
