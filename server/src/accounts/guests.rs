//! Invites, and the guests who come by them.

use std::net::IpAddr;
use std::time::SystemTime;

use actix::Handler;
use roomrtc_kit::mail;
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::ErrorCode;

use super::{Accounts, Authenticated, Refusal, TOKEN_BYTES, hash, secret};
use crate::limits::Site;
use crate::store::Store;

/// An invite cannot be guessed.
const INVITE_BYTES: usize = 16;
/// Guests of one name at one time.
const NAMESAKES: u32 = 100;

/// Answers `invite`.
pub(crate) struct Invite {
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
    pub(crate) invite: String,
    pub(crate) inviter: UserName,
    pub(crate) expires_in_s: u64,
}

mail! {
    Invite => Result<Invitation, Refusal>;
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

impl Accounts {
    fn invitation(&mut self, invite: String) -> Result<Invitation, Refusal> {
        let now = SystemTime::now();
        let (inviter, expires) = self
            .store()?
            .invite(&hash(&invite), now)?
            .ok_or_else(bad_invite)?;
        Ok(Invitation {
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
        if self.store()?.open_invites(&inviter, now)? >= limit {
            let why = format!("you have {limit} open invites: revoke one");
            return Err(Refusal::new(ErrorCode::TooManyInvites, why));
        }
        let invite = secret(INVITE_BYTES)?;
        self.store()?.add_invite(&hash(&invite), &inviter, now + life)?;
        Ok(Invitation {
            invite,
            inviter,
            expires_in_s: life.as_secs(),
        })
    }
}

impl Handler<RevokeInvite> for Accounts {
    type Result = Result<String, Refusal>;

    fn handle(
        &mut self,
        RevokeInvite { inviter, invite }: RevokeInvite,
        _: &mut Self::Context,
    ) -> Self::Result {
        if self.invitation(invite.clone())?.inviter != inviter {
            return Err(bad_invite());
        }
        self.store()?.remove_invite(&hash(&invite))?;
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
