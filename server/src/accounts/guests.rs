//! Invites, and the guests who come by them.

use std::net::IpAddr;
use std::time::SystemTime;

use actix::Handler;
use roomrtc_kit::mail;
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::{ErrorCode, OpenInvite};

use super::{Accounts, Authenticated, Refusal, TOKEN_BYTES, hash, secret};
use crate::limits::Site;
use crate::store::{Store, TokenHash};

/// An invite cannot be guessed.
const INVITE_BYTES: usize = 16;
/// Guests of one name at one time.
const NAMESAKES: u32 = 100;

/// Answers `invite`.
pub(crate) struct Invite {
    pub(crate) inviter: UserName,
}

/// Answers `list_invites`.
pub(crate) struct ListInvites {
    pub(crate) inviter: UserName,
}

/// Answers `revoke_invite`.
pub(crate) struct RevokeInvite {
    pub(crate) inviter: UserName,
    pub(crate) invite: String,
}

/// Answers `look_up_invite`.
pub(crate) struct LookUpInvite {
    pub(crate) address: IpAddr,
    pub(crate) invite: String,
}

/// Answers `join`.
pub(crate) struct Join {
    pub(crate) address: IpAddr,
    pub(crate) invite: String,
    pub(crate) name: String,
}

/// An invite that is open.
pub(crate) struct Invitation {
    /// Names it.
    pub(crate) name: String,
    /// The last part of the link.
    pub(crate) invite: String,
    pub(crate) inviter: UserName,
    pub(crate) expires_in_s: u64,
}

mail! {
    Invite => Result<Invitation, Refusal>;
    ListInvites => Result<Vec<OpenInvite>, Refusal>;
    RevokeInvite => Result<String, Refusal>;
    LookUpInvite => Result<Invitation, Refusal>;
    Join => Result<Authenticated, Refusal>;
}

/// The one answer to whatever is wrong with an invite.
fn bad_invite() -> Refusal {
    Refusal::new(
        ErrorCode::BadInvite,
        "the invite is unknown, used, revoked or expired",
    )
}

/// Names an invite to whoever made it; the link cannot be told from it.
fn name(hash: &TokenHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Accounts {
    fn invitation(&mut self, invite: String) -> Result<Invitation, Refusal> {
        let now = SystemTime::now();
        let hash = hash(&invite);
        let (inviter, expires) = self.store()?.invite(&hash, now)?.ok_or_else(bad_invite)?;
        Ok(Invitation {
            name: name(&hash),
            invite,
            inviter,
            expires_in_s: expires.duration_since(now).unwrap_or_default().as_secs(),
        })
    }
}

impl Handler<Invite> for Accounts {
    type Result = Result<Invitation, Refusal>;

    fn handle(&mut self, Invite { inviter }: Invite, _: &mut Self::Context) -> Self::Result {
        let now = SystemTime::now();
        let (life, limit) = (self.settings.invite_life(), self.settings.invites_per_user);
        if self.store()?.open_invites(&inviter, now)?.len() >= limit {
            let why = format!("you have {limit} open invites: revoke one");
            return Err(Refusal::new(ErrorCode::TooManyInvites, why));
        }
        let invite = secret(INVITE_BYTES)?;
        let hash = hash(&invite);
        self.store()?.add_invite(&hash, &inviter, now + life)?;
        Ok(Invitation {
            name: name(&hash),
            invite,
            inviter,
            expires_in_s: life.as_secs(),
        })
    }
}

impl Handler<ListInvites> for Accounts {
    type Result = Result<Vec<OpenInvite>, Refusal>;

    fn handle(&mut self, ListInvites { inviter }: ListInvites, _: &mut Self::Context) -> Self::Result {
        let now = SystemTime::now();
        let open = self.store()?.open_invites(&inviter, now)?;
        let told = open.into_iter().map(|(hash, expires)| OpenInvite {
            invite: name(&hash),
            expires_in_s: expires.duration_since(now).unwrap_or_default().as_secs(),
        });
        Ok(told.collect())
    }
}

impl Handler<RevokeInvite> for Accounts {
    type Result = Result<String, Refusal>;

    fn handle(
        &mut self,
        RevokeInvite { inviter, invite }: RevokeInvite,
        _: &mut Self::Context,
    ) -> Self::Result {
        let mine = self.store()?.open_invites(&inviter, SystemTime::now())?;
        let (hash, _) = mine
            .into_iter()
            .find(|(hash, _)| name(hash) == invite)
            .ok_or_else(bad_invite)?;
        self.store()?.remove_invite(&hash)?;
        Ok(invite)
    }
}

impl Handler<LookUpInvite> for Accounts {
    type Result = Result<Invitation, Refusal>;

    fn handle(
        &mut self,
        LookUpInvite { address, invite }: LookUpInvite,
        _: &mut Self::Context,
    ) -> Self::Result {
        self.limits.attempt(Site::from(address))?;
        self.invitation(invite)
    }
}

impl Handler<Join> for Accounts {
    type Result = Result<Authenticated, Refusal>;

    fn handle(&mut self, msg: Join, _: &mut Self::Context) -> Self::Result {
        let Join {
            address,
            invite,
            name,
        } = msg;
        self.limits.attempt(Site::from(address))?;
        let host = self.invitation(invite.clone())?.inviter;
        let token = secret(TOKEN_BYTES)?;
        let expires = SystemTime::now() + self.settings.guest_life();
        for number in 1..=NAMESAKES {
            let guest =
                UserName::guest(&name, number).map_err(|why| Refusal::new(ErrorCode::BadUserName, why))?;
            if self.store()?.add_guest(&hash(&token), &guest, &host, expires)? {
                self.store()?.remove_invite(&hash(&invite))?;
                tracing::info!("a guest came");
                return Ok(Authenticated {
                    user: guest,
                    token,
                    host: Some(host),
                });
            }
        }
        Err(Refusal::new(
            ErrorCode::UserNameTaken,
            "too many guests have that name",
        ))
    }
}
