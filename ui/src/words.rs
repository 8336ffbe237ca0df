//! Every sentence the window says about something that happened, and how it writes sizes and times.
//!
//! A sentence says what happened and, where something can be done, what.

use std::time::Duration;

use roomrtc_actors::ui_bridge::{CallEnd, FileEnd, Notice};
use roomrtc_protocol::signaling::messages::{EndReason, ErrorCode, GoodbyeReason, Presence};

/// What a server's refusal means for the user.
pub fn refused(code: ErrorCode, retry_after: Option<Duration>) -> String {
    match code {
        ErrorCode::BadMessage => {
            "The server did not understand this client. Update both and try again.".into()
        }
        ErrorCode::UnsupportedVersion => {
            "This server speaks another version of RoomRTC. Update the older of the two.".into()
        }
        ErrorCode::NotAllowed => "The server does not allow that now. Try again in a moment.".into(),
        ErrorCode::BadUserName => {
            "That user name cannot be used. Choose 2 to 32 letters, digits, dots, dashes or underscores."
                .into()
        }
        ErrorCode::UserNameTaken => {
            "Somebody has that user name already. Choose another one, or log in.".into()
        }
        ErrorCode::BadCredentials => "User name or password is wrong. Check both and try again.".into(),
        ErrorCode::AlreadyLoggedIn => "You are logged in somewhere else.".into(),
        ErrorCode::BadToken => "Your session has expired. Log in again.".into(),
        ErrorCode::TooManyAttempts => match retry_after {
            Some(wait) => format!("Too many attempts. Try again in {}.", wait_words(wait)),
            None => "Too many attempts. Wait a minute, then try again.".into(),
        },
        ErrorCode::UnknownUser => "There is no such user on this server.".into(),
        ErrorCode::UserOffline => "They have just gone offline. Call again when they are back.".into(),
        ErrorCode::UserBusy => "They are in another call. Try again later.".into(),
        ErrorCode::CalledSelf => "That is you. Choose somebody else to call.".into(),
        ErrorCode::AlreadyInCall => "You are in a call already. Hang up first.".into(),
        ErrorCode::BadInvite => "That link is not good any more. Make a new one.".into(),
        ErrorCode::TooManyInvites => {
            "You have as many open links as the server allows. Revoke one, or wait until one is used or expires.".into()
        }
        ErrorCode::UnknownCall => "That call has ended already.".into(),
        ErrorCode::ServerFull => "The server is full. Try again later.".into(),
        ErrorCode::Internal => "The server failed to do that; its log says why. Try again.".into(),
    }
}

fn wait_words(wait: Duration) -> String {
    let seconds = wait.as_secs_f64().ceil() as u64;
    match seconds {
        0 | 1 => "a second".into(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// A link for a guest was made, and is on the clipboard.
pub fn invited(expires_in: Duration) -> String {
    let good = span(expires_in);
    format!("A link is on your clipboard. Send it to your guest: it is good once, within {good}.")
}

/// How long something is still good.
pub fn span(left: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let (minutes, hours) = (left.as_secs().div_ceil(MINUTE), left.as_secs().div_ceil(HOUR));
    match hours {
        0..=1 if minutes <= 1 => "a minute".to_owned(),
        0..=1 if minutes < 60 => format!("{minutes} minutes"),
        0..=1 => "an hour".to_owned(),
        2..=48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

/// A link that was on the clipboard before is there again.
pub const COPIED: &str = "The link is on your clipboard again.";
/// A link was taken back.
pub const REVOKED: &str = "That link is void now: nobody can join by it.";

/// How a call ended; `None` where the user did it and needs no telling.
pub fn call_end(user: &str, end: &CallEnd) -> Option<String> {
    Some(match end {
        CallEnd::Signaled(EndReason::HungUp) => return None,
        CallEnd::Signaled(EndReason::Cancelled) => return None,
        CallEnd::Signaled(EndReason::Declined) => format!("{user} declined the call."),
        CallEnd::Signaled(EndReason::Unable) => {
            format!("{user}'s client could not take the call. Ask them to check it.")
        }
        CallEnd::Signaled(EndReason::NoAnswer) => format!("{user} did not answer."),
        CallEnd::Signaled(EndReason::PeerLost) => {
            format!("The connection to {user} was lost. Call again when they are back.")
        }
        CallEnd::Signaled(EndReason::PeerLeft) => format!("{user} left."),
        CallEnd::Signaled(EndReason::ServerShutdown) => {
            "The server is going down; the call has ended.".into()
        }
        CallEnd::Refused(ErrorCode::UserOffline) => format!("{user} has just gone offline."),
        CallEnd::Refused(ErrorCode::UserBusy) => format!("{user} is in another call. Try again later."),
        CallEnd::Refused(code) => refused(*code, None),
        CallEnd::NoPath => {
            format!("No network path to {user} was found. A firewall may block UDP between you.")
        }
        CallEnd::WrongFingerprint => format!(
            "Stopped: the secure connection was not with {user}'s client. Nothing was sent. Somebody may be listening in."
        ),
        CallEnd::HandshakeFailed => format!("No secure connection to {user} could be made. Call again."),
        CallEnd::NothingInCommon => {
            format!("Your client and {user}'s have no video or sound format in common.")
        }
        CallEnd::Broken { actor, .. } => {
            format!("The call broke down ({actor} kept failing). The log says why; call again.")
        }
    })
}

/// Why a file did not arrive.
pub fn file_end(end: &FileEnd) -> String {
    match end {
        FileEnd::Declined => "Declined".into(),
        FileEnd::Cancelled => "Cancelled by you".into(),
        FileEnd::CancelledByPeer => "Cancelled by the other side".into(),
        FileEnd::Corrupt => "Damaged on the way: the hash is wrong. Send it again.".into(),
        FileEnd::CallEnded => "The call ended first".into(),
        FileEnd::Disk(words) => format!("The disk refused: {words}"),
        FileEnd::Protocol(words) => format!("The other client misbehaved: {words}"),
    }
}

/// Something about the devices.
pub fn notice(notice: &Notice) -> String {
    match notice {
        Notice::NoCamera => "No camera was found. A still picture is sent instead.".into(),
        Notice::NoMicrophone => "No microphone was found. The other side cannot hear you.".into(),
        Notice::NoSpeaker => "No speaker was found. You cannot hear the other side.".into(),
        Notice::CameraGivenUp(words) => {
            format!(
                "Your camera keeps failing ({words}). The call goes on without it; switch it on to try again."
            )
        }
        Notice::MicrophoneGivenUp(words) => {
            format!(
                "Your microphone keeps failing ({words}). The call goes on without it; unmute to try again."
            )
        }
        Notice::NoScreen => {
            "Your screen cannot be shared: RoomRTC sees the screens of X11 sessions only. Log in to one to share it."
                .into()
        }
        Notice::ScreenGivenUp(words) => {
            format!("The shared screen keeps failing ({words}). The call goes on without it.")
        }
        Notice::OtherDevice(name) => format!("{name} is used instead."),
        Notice::OtherCodec { failed, instead } => {
            format!("The codec {failed} keeps failing. {instead} takes over.")
        }
        Notice::NoEchoCanceller(words) => format!(
            "The echo canceller keeps failing ({words}) and is off now. Use headphones, or the other side hears itself."
        ),
        Notice::DeviceLost(words) => format!("A device stopped ({words}). The call goes on without it."),
    }
}

/// Why the session is over; `None` where the user did it.
pub fn goodbye(reason: GoodbyeReason) -> Option<&'static str> {
    match reason {
        GoodbyeReason::LoggedOut => None,
        GoodbyeReason::TakenOver => Some("You logged in somewhere else, so this session has ended."),
        GoodbyeReason::ServerShutdown => Some("The server is going down. Log in again when it is back."),
        GoodbyeReason::TooSlow => Some("The server waited too long for an answer. Log in again."),
        GoodbyeReason::SlowReader => Some("This computer was too slow for the server. Log in again."),
    }
}

/// A user's state.
pub fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Available => "Available",
        Presence::Busy => "In a call",
        Presence::Offline => "Offline",
    }
}

/// A size, in the units people see in their file manager.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if size < 9.95 {
        format!("{size:.1} {}", UNITS[unit])
    } else {
        format!("{size:.0} {}", UNITS[unit])
    }
}

/// A bit rate.
pub fn bit_rate(kbps: f64) -> String {
    if kbps < 999.5 {
        format!("{kbps:.0} kbit/s")
    } else {
        format!("{:.1} Mbit/s", kbps / 1000.0)
    }
}

/// A running time: `12:48`, `1:02:03`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A past length of time: `24 min`, `1 h 12 min`.
pub fn length(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// How long ago, both in seconds of Unix time.
pub fn ago(then: u64, now: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match now.saturating_sub(then) {
        0..MINUTE => "Just now".into(),
        past @ MINUTE..HOUR => format!("{} min ago", past / MINUTE),
        past @ HOUR..DAY => format!("{} h ago", past / HOUR),
        past => match past / DAY {
            1 => "Yesterday".into(),
            days @ 2..14 => format!("{days} days ago"),
            days => format!("{} weeks ago", days / 7),
        },
    }
}

/// A name that fits into about `limit` letters, cut with an ellipsis if it does not.
pub fn shortened(name: &str, limit: usize) -> String {
    let limit = limit.max(2);
    if name.chars().count() <= limit {
        return name.to_owned();
    }
    name.chars().take(limit - 1).chain(['…']).collect()
}

/// A fingerprint in groups people can compare: `ab12 cd34 …`, without its algorithm.
pub fn fingerprint(text: &str) -> String {
    let hex: Vec<char> = text
        .rsplit_once("sha256:")
        .map_or(text, |(_, hex)| hex)
        .chars()
        .filter(|c| *c != ':')
        .collect();
    hex.chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_as_people_write_them() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(4_200_000), "4.2 MB");
        assert_eq!(bytes(86_400_000), "86 MB");
        assert_eq!(bytes(999_900), "1.0 MB");
        assert_eq!(bytes(u64::MAX), "18447 PB");
        assert_eq!(bit_rate(1840.0), "1.8 Mbit/s");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(clock(Duration::from_secs(768)), "12:48");
        assert_eq!(length(4320), "1 h 12 min");
        assert_eq!(ago(1000, 1030), "Just now");
        assert_eq!(ago(0, 7200), "2 h ago");
        assert_eq!(ago(0, 86_400), "Yesterday");
        assert_eq!(ago(0, 30 * 86_400), "4 weeks ago");
    }

    #[test]
    fn long_names_end_in_an_ellipsis() {
        assert_eq!(shortened("ana", 8), "ana");
        assert_eq!(shortened("żaneta-maria", 8), "żaneta-…");
    }

    #[test]
    fn fingerprints_come_in_groups_of_four() {
        assert_eq!(fingerprint("sha256:0123456789abcdef"), "0123 4567 89ab cdef");
        assert_eq!(fingerprint("AB:CD:EF"), "ABCD EF");
    }
}
