//! Where accounts are kept: a trait of few methods, so that another database can stand beside SQLite.

use std::time::SystemTime;

use roomrtc_protocol::signaling::UserName;
use thiserror::Error;

mod sqlite;

pub use sqlite::SqliteStore;

/// What is kept of a session token: its SHA-256. Whoever reads the database cannot log in with it.
pub type TokenHash = [u8; 32];

/// A registered user.
#[derive(Clone, Debug)]
pub struct Account {
    /// As typed at registration.
    pub user: UserName,
    /// What OPAQUE needs for a login; the password cannot be read from it.
    pub password_file: Vec<u8>,
}

/// The store failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database refused or broke.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    /// Its file cannot be opened.
    #[error("the database's file cannot be opened")]
    File(#[from] std::io::Error),
    /// It was written by a newer program.
    #[error("the database has version {found}, this program knows {known}")]
    TooNew {
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A name in the database breaks the rules for names.
    #[error("the database holds a user name that is none")]
    UserName(#[from] roomrtc_protocol::signaling::user_name::UserNameError),
}

/// Accounts, session tokens, invites, and the server's own keys. Calls block: only the account actor's thread makes them.
pub trait Store {
    /// The server's OPAQUE keys, once there are some.
    fn server_keys(&mut self) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps the server's OPAQUE keys.
    fn put_server_keys(&mut self, keys: &[u8]) -> Result<(), StoreError>;

    /// Everybody who registered, as typed.
    fn users(&mut self) -> Result<Vec<UserName>, StoreError>;

    /// The account of a user.
    fn account(&mut self, user: &UserName) -> Result<Option<Account>, StoreError>;

    /// Adds an account; false if somebody has the name.
    fn add_account(&mut self, account: &Account) -> Result<bool, StoreError>;

    /// Keeps a token until it expires.
    fn add_token(
        &mut self,
        token: &TokenHash,
        user: &UserName,
        expires: SystemTime,
    ) -> Result<(), StoreError>;

    /// Whose a token is, if it has not expired; from now on it expires at `expires`.
    fn use_token(
        &mut self,
        token: &TokenHash,
        now: SystemTime,
        expires: SystemTime,
    ) -> Result<Option<UserName>, StoreError>;

    /// Forgets a token, of a user or of a guest.
    fn remove_token(&mut self, token: &TokenHash) -> Result<(), StoreError>;

    /// Forgets all other tokens of the owner of this one.
    fn keep_only_token(&mut self, token: &TokenHash) -> Result<(), StoreError>;

    /// Keeps an invite until it expires.
    fn add_invite(
        &mut self,
        invite: &TokenHash,
        inviter: &UserName,
        expires: SystemTime,
    ) -> Result<(), StoreError>;

    /// The invites of a user that are open, and when they expire, the first to expire first.
    fn open_invites(
        &mut self,
        inviter: &UserName,
        now: SystemTime,
    ) -> Result<Vec<(TokenHash, SystemTime)>, StoreError>;

    /// Who invites, and when the invite expires.
    fn invite(
        &mut self,
        invite: &TokenHash,
        now: SystemTime,
    ) -> Result<Option<(UserName, SystemTime)>, StoreError>;

    /// Forgets an invite; false if there was none.
    fn remove_invite(&mut self, invite: &TokenHash) -> Result<bool, StoreError>;

    /// Keeps the token of a guest until it expires; false if a guest of that name is there.
    fn add_guest(
        &mut self,
        token: &TokenHash,
        guest: &UserName,
        host: &UserName,
        expires: SystemTime,
    ) -> Result<bool, StoreError>;

    /// The guest a token belongs to, and who invited it.
    fn guest(
        &mut self,
        token: &TokenHash,
        now: SystemTime,
    ) -> Result<Option<(UserName, UserName)>, StoreError>;

    /// Forgets what has expired.
    fn remove_expired(&mut self, now: SystemTime) -> Result<(), StoreError>;
}
