//! The account store as an actor: passwords, tokens, limits.
//!
//! Sessions ask it to register, log in and resume; the call registry asks who is registered. It alone lives on its
//! arbiter's thread, because the database blocks.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use actix::{Actor, AsyncContext, Context, Handler};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roomrtc_kit::config::Server as Settings;
use roomrtc_kit::{Exit, mail};
use roomrtc_protocol::signaling::messages::ErrorCode;
use roomrtc_protocol::signaling::opaque::{OpaqueError, PendingLogin, ServerKeys, password_file};
use roomrtc_protocol::signaling::{CertificateHash, UserName};
use sha2::{Digest, Sha256};

use crate::limits::{Limits, RetryAfter, Site};
mod guests;

pub(crate) use guests::{Invitation, Invite, Join, ListInvites, LookUpInvite, RevokeInvite};

use crate::store::{Account, SqliteStore, Store, StoreError, TokenHash};

/// A token cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// How often what has expired is forgotten.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);

/// Answers `register_start`.
pub(crate) struct BeginRegistration {
    pub(crate) address: IpAddr,
    pub(crate) user: String,
    pub(crate) request: String,
}

/// Answers `register_finish`.
pub(crate) struct FinishRegistration {
    pub(crate) user: UserName,
    pub(crate) record: String,
}

/// Answers `login_start`.
pub(crate) struct BeginLogin {
    pub(crate) address: IpAddr,
    pub(crate) certificate: CertificateHash,
    pub(crate) user: String,
    pub(crate) request: String,
}

/// Checks `login_finish`.
pub(crate) struct FinishLogin {
    pub(crate) address: IpAddr,
    pub(crate) login: Box<PendingLogin>,
    pub(crate) finalization: String,
}

/// Checks `resume`.
pub(crate) struct FindToken {
    pub(crate) address: IpAddr,
    pub(crate) token: String,
}

/// The session with this token began: earlier ones of the user are void.
pub(crate) struct KeepOnlyToken(pub(crate) String);

/// The session with this token is over.
pub(crate) struct RevokeToken(pub(crate) String);

/// Everybody who is registered.
pub(crate) struct AllUsers;

/// The OPAQUE answer to a first step, and what the second needs.
pub(crate) struct Begun<T> {
    pub(crate) pending: T,
    pub(crate) response: String,
}

/// Somebody proved who it is.
pub(crate) struct Authenticated {
    pub(crate) user: UserName,
    pub(crate) token: String,
    /// Of a guest: who invited it.
    pub(crate) host: Option<UserName>,
}

mail! {
    BeginRegistration => Result<Begun<UserName>, Refusal>;
    FinishRegistration => Result<UserName, Refusal>;
    BeginLogin => Result<Begun<Box<PendingLogin>>, Refusal>;
    FinishLogin => Result<Authenticated, Refusal>;
    FindToken => Result<Authenticated, Refusal>;
    KeepOnlyToken;
    RevokeToken;
    AllUsers => Vec<UserName>;
}

/// Why somebody does not get in.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl ToString) -> Self {
        Refusal {
            code,
            message: message.to_string(),
            retry_after: None,
        }
    }

    /// The one answer to an unknown user and to a wrong password.
    fn bad_credentials() -> Self {
        Refusal::new(
            ErrorCode::BadCredentials,
            "the user name or the password is wrong",
        )
    }
}

impl From<RetryAfter> for Refusal {
    fn from(RetryAfter(wait): RetryAfter) -> Self {
        let message = "too many attempts".to_owned();
        Refusal {
            code: ErrorCode::TooManyAttempts,
            message,
            retry_after: Some(wait),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the account store failed"
        );
        Refusal::new(ErrorCode::Internal, "the server failed")
    }
}

impl From<OpaqueError> for Refusal {
    fn from(error: OpaqueError) -> Self {
        match error {
            OpaqueError::Malformed => Refusal::new(ErrorCode::BadMessage, error),
            OpaqueError::WrongPassword => Refusal::bad_credentials(),
            OpaqueError::Failed => Refusal::new(ErrorCode::Internal, error),
        }
    }
}

/// Opens the database and gives the server's keys, making them if there are none.
pub(crate) fn open_store(path: &Path) -> Result<(SqliteStore, ServerKeys), OpenError> {
    let mut store = SqliteStore::open(path)?;
    let keys = match store.server_keys()? {
        Some(bytes) => ServerKeys::from_bytes(&bytes)?,
        None => {
            let keys = ServerKeys::generate();
            store.put_server_keys(&keys.to_bytes())?;
            keys
        }
    };
    Ok((store, keys))
}

/// The accounts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be opened.
    #[error("the accounts cannot be opened")]
    Store(#[from] StoreError),
    /// The database's keys are none.
    #[error("the keys in the database are damaged")]
    Keys(#[from] OpaqueError),
}

/// The actor.
pub(crate) struct Accounts {
    settings: Arc<Settings>,
    database: PathBuf,
    limits: Limits,
    /// Nothing when the database could not be opened: then this life ends as soon as it began.
    open: Option<(SqliteStore, ServerKeys)>,
}

impl Accounts {
    pub(crate) fn new(settings: Arc<Settings>, database: PathBuf) -> Self {
        Accounts {
            limits: Limits::new(&settings),
            settings,
            database,
            open: None,
        }
    }

    fn store(&mut self) -> Result<&mut SqliteStore, Refusal> {
        let store = self.open.as_mut().map(|(store, _)| store);
        store.ok_or_else(|| Refusal::new(ErrorCode::Internal, "the server failed"))
    }

    fn keys(&self) -> Result<&ServerKeys, Refusal> {
        let keys = self.open.as_ref().map(|(_, keys)| keys);
        keys.ok_or_else(|| Refusal::new(ErrorCode::Internal, "the server failed"))
    }

    fn parse_name(&self, user: &str) -> Result<UserName, Refusal> {
        let name = UserName::parse(user).map_err(|why| Refusal::new(ErrorCode::BadUserName, why))?;
        if user.chars().count() > self.settings.user_name_max_chars {
            let limit = self.settings.user_name_max_chars;
            let why = format!("a user name has at most {limit} characters here");
            return Err(Refusal::new(ErrorCode::BadUserName, why));
        }
        Ok(name)
    }

    fn expiry(&self) -> SystemTime {
        SystemTime::now() + self.settings.token_life()
    }

    fn check_free(&mut self, user: &UserName) -> Result<(), Refusal> {
        match self.store()?.account(user)? {
            Some(_) => Err(Refusal::new(ErrorCode::UserNameTaken, "somebody has that name")),
            None => Ok(()),
        }
    }
}

impl Actor for Accounts {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match open_store(&self.database) {
            Ok(open) => self.open = Some(open),
            Err(error) => return ctx.fail(error),
        }
        ctx.run_interval(TIDY_INTERVAL, |this, _| {
            this.limits.tidy(Instant::now());
            // A failure is logged where it becomes a refusal.
            let _ = this
                .store()
                .and_then(|store| Ok(store.remove_expired(SystemTime::now())?));
        });
    }
}

impl Handler<BeginRegistration> for Accounts {
    type Result = Result<Begun<UserName>, Refusal>;

    fn handle(&mut self, msg: BeginRegistration, _: &mut Self::Context) -> Self::Result {
        self.limits.attempt(Site::from(msg.address))?;
        if !self.settings.registration {
            return Err(Refusal::new(
                ErrorCode::NotAllowed,
                "no new accounts are made here",
            ));
        }
        let pending = self.parse_name(&msg.user)?;
        self.check_free(&pending)?;
        let response = self.keys()?.registration_response(&pending, &msg.request)?;
        Ok(Begun { pending, response })
    }
}

impl Handler<FinishRegistration> for Accounts {
    type Result = Result<UserName, Refusal>;

    fn handle(&mut self, msg: FinishRegistration, _: &mut Self::Context) -> Self::Result {
        let account = Account {
            user: msg.user,
            password_file: password_file(&msg.record)?,
        };
        if self.store()?.add_account(&account)? {
            tracing::info!("a user registered");
            Ok(account.user)
        } else {
            Err(Refusal::new(ErrorCode::UserNameTaken, "somebody has that name"))
        }
    }
}

impl Handler<BeginLogin> for Accounts {
    type Result = Result<Begun<Box<PendingLogin>>, Refusal>;

    fn handle(&mut self, msg: BeginLogin, _: &mut Self::Context) -> Self::Result {
        // A text that cannot be a name is an unknown user like any other, only cheaper.
        let user = UserName::parse(&msg.user).map_err(|_| Refusal::bad_credentials())?;
        self.limits
            .login(&user, Site::from(msg.address), Instant::now())?;
        let account = self.store()?.account(&user)?;
        let (user, file) = match account {
            Some(account) => (account.user, Some(account.password_file)),
            None => (user, None),
        };
        let (pending, response) =
            self.keys()?
                .login_response(&user, file.as_deref(), &msg.request, &msg.certificate)?;
        Ok(Begun {
            pending: Box::new(pending),
            response,
        })
    }
}

impl Handler<FinishLogin> for Accounts {
    type Result = Result<Authenticated, Refusal>;

    fn handle(&mut self, msg: FinishLogin, _: &mut Self::Context) -> Self::Result {
        let user = msg.login.user().clone();
        msg.login.finish(&msg.finalization)?;
        self.limits.succeeded(&user, Site::from(msg.address));
        let token = secret(TOKEN_BYTES)?;
        let expires = self.expiry();
        self.store()?.add_token(&hash(&token), &user, expires)?;
        Ok(Authenticated {
            user,
            token,
            host: None,
        })
    }
}

impl Handler<FindToken> for Accounts {
    type Result = Result<Authenticated, Refusal>;

    fn handle(&mut self, msg: FindToken, _: &mut Self::Context) -> Self::Result {
        let expires = self.expiry();
        let site = Site::from(msg.address);
        match self
            .store()?
            .use_token(&hash(&msg.token), SystemTime::now(), expires)?
        {
            // A good token costs nobody an attempt: after a restart whole sites come back at once.
            Some(user) => Ok(Authenticated {
                user,
                token: msg.token,
                host: None,
            }),
            None => match self.store()?.guest(&hash(&msg.token), SystemTime::now())? {
                Some((guest, host)) => Ok(Authenticated {
                    user: guest,
                    token: msg.token,
                    host: Some(host),
                }),
                None => {
                    self.limits.attempt(site)?;
                    Err(Refusal::new(
                        ErrorCode::BadToken,
                        "the token is unknown or expired: log in",
                    ))
                }
            },
        }
    }
}

impl Handler<KeepOnlyToken> for Accounts {
    type Result = ();

    fn handle(&mut self, KeepOnlyToken(token): KeepOnlyToken, _: &mut Self::Context) {
        let _ = self
            .store()
            .and_then(|store| Ok(store.keep_only_token(&hash(&token))?));
    }
}

impl Handler<RevokeToken> for Accounts {
    type Result = ();

    fn handle(&mut self, RevokeToken(token): RevokeToken, _: &mut Self::Context) {
        let _ = self
            .store()
            .and_then(|store| Ok(store.remove_token(&hash(&token))?));
    }
}

impl Handler<AllUsers> for Accounts {
    type Result = actix::MessageResult<AllUsers>;

    fn handle(&mut self, _: AllUsers, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(
            self.store()
                .and_then(|store| Ok(store.users()?))
                .unwrap_or_default(),
        )
    }
}

/// What cannot be guessed, as text that fits into a link.
fn secret(bytes: usize) -> Result<String, Refusal> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| Refusal::new(ErrorCode::Internal, error))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}
