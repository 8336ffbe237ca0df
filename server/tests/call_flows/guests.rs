//! Guests and the links they come by.

use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::{
    ClientMessage, EndReason, ErrorCode, Presence, ServerMessage, UserPresence,
};

use super::World;
use crate::client::Client;

/// A link of this user: the last part of it.
async fn invite(client: &mut Client) -> String {
    named_invite(client).await.1
}

/// The same, after the name of the invite.
async fn named_invite(client: &mut Client) -> (String, String) {
    client.send(ClientMessage::Invite).await;
    match client.next().await {
        ServerMessage::Invited { invite, url, .. } => {
            let secret = url.strip_prefix("https://localhost/join/").expect("a link");
            assert!(!invite.contains(secret), "a name is no secret");
            (invite, secret.to_owned())
        }
        other => panic!("{other:?}"),
    }
}

/// The names of this user's open invites.
async fn open_invites(client: &mut Client) -> Vec<String> {
    client.send(ClientMessage::ListInvites).await;
    match client.next().await {
        ServerMessage::Invites { invites } => invites.into_iter().map(|open| open.invite).collect(),
        other => panic!("{other:?}"),
    }
}

async fn join(world: &World, invite: &str) -> Result<(Client, Vec<UserPresence>, String), ErrorCode> {
    let mut guest = world.visitor().await;
    let (invite, name) = (invite.to_owned(), "Gus".to_owned());
    guest.send(ClientMessage::Join { invite, name }).await;
    match guest.next().await {
        ServerMessage::LoggedIn {
            user, token, users, ..
        } => {
            assert_eq!(user, "Gus (guest)");
            Ok((guest, users, token))
        }
        ServerMessage::Error { code, .. } => Err(code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_comes_by_a_link_once_sees_only_the_inviter_and_comes_back_by_its_token() {
    let world = World::new();
    let (mut ana, _) = world.user("ana").await;
    let (mut ben, _) = world.user("ben").await;
    let invite = invite(&mut ana).await;

    let mut curious = world.visitor().await;
    curious
        .send(ClientMessage::LookUpInvite {
            invite: invite.clone(),
        })
        .await;
    assert!(matches!(curious.next().await, ServerMessage::Invitation { inviter, .. } if inviter == "ana"));

    let (guest, users, token) = join(&world, &invite).await.unwrap();
    let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
    assert_eq!(names, ["ana"]);
    ana.sees("Gus (guest)", Presence::Available).await;
    assert_eq!(join(&world, &invite).await.err(), Some(ErrorCode::BadInvite));

    drop(guest);
    ana.sees("Gus (guest)", Presence::Offline).await;
    let mut guest = world.visitor().await;
    guest.resume(&token).await.unwrap();
    let call = guest.call("ana").await.unwrap();
    ana.rings().await;
    ana.send(ClientMessage::Accept { call }).await;
    guest.hears_accepted(call).await;
    guest.send(ClientMessage::LogOut).await;
    assert_eq!(ana.hears_accepted(call).await, ());
    assert_eq!(ana.hears_end(call).await, EndReason::PeerLeft);
    let mut late = world.visitor().await;
    assert_eq!(late.resume(&token).await.err(), Some(ErrorCode::BadToken));
    // A user who came meanwhile would have been told of the guest by now.
    ben.send(ClientMessage::Call {
        user: "nobody".into(),
    })
    .await;
    assert_eq!(ben.refused().await, ErrorCode::UnknownUser);
    assert!(
        ben.presence
            .iter()
            .all(|change| !UserName::is_guest(&change.user))
    );
}

#[tokio::test]
async fn a_link_can_be_taken_back_and_only_so_many_are_open() {
    let world = World::with(|config| config.server.invites_per_user = 1);
    let (mut ana, _) = world.user("ana").await;
    let (mut ben, _) = world.user("ben").await;
    let (first, link) = named_invite(&mut ana).await;
    assert_eq!(open_invites(&mut ana).await, std::slice::from_ref(&first));
    assert!(open_invites(&mut ben).await.is_empty());
    ana.send(ClientMessage::Invite).await;
    assert_eq!(ana.refused().await, ErrorCode::TooManyInvites);
    ben.send(ClientMessage::RevokeInvite {
        invite: first.clone(),
    })
    .await;
    assert_eq!(ben.refused().await, ErrorCode::BadInvite);
    ana.send(ClientMessage::RevokeInvite {
        invite: first.clone(),
    })
    .await;
    assert_eq!(
        ana.next().await,
        ServerMessage::InviteRevoked {
            invite: first.clone()
        }
    );
    assert!(open_invites(&mut ana).await.is_empty());
    assert_eq!(join(&world, &link).await.err(), Some(ErrorCode::BadInvite));
    // Nor is one that was used open any more.
    let used = invite(&mut ana).await;
    let (mut guest, ..) = join(&world, &used).await.unwrap();
    guest.send(ClientMessage::ListInvites).await;
    assert_eq!(guest.refused().await, ErrorCode::NotAllowed);
    assert!(open_invites(&mut ana).await.is_empty());
}
