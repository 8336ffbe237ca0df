//! How often somebody may try to log in or register.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use roomrtc_kit::config::Server as Settings;
use roomrtc_protocol::signaling::UserName;

/// A site usually has a whole /64 (RFC 6177): its addresses count as one.
const IPV6_SITE: u128 = !0 << 64;

/// Who counts as one: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site(IpAddr);

impl From<IpAddr> for Site {
    fn from(address: IpAddr) -> Self {
        Site(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & IPV6_SITE)),
        })
    }
}

/// Come back after that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryAfter(pub(crate) Duration);

/// The limits on attempts. Rates bound guessing from one place and against one account; after a failed login the
/// next one from the same place has to wait, each time twice as long. Nobody is ever locked out.
pub(crate) struct Limits {
    by_site: DefaultKeyedRateLimiter<Site>,
    by_user: DefaultKeyedRateLimiter<UserName>,
    failures: HashMap<(UserName, Site), Failures>,
    delay_first: Duration,
    delay_max: Duration,
}

struct Failures {
    count: u32,
    retry_at: Instant,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Limits {
            by_site: per_minute(settings.attempts_per_address),
            by_user: per_minute(settings.attempts_per_user),
            failures: HashMap::new(),
            delay_first: settings.login_delay_first(),
            delay_max: settings.login_delay_max(),
        }
    }

    /// One more attempt of any kind from an address.
    pub(crate) fn attempt(&self, site: Site) -> Result<(), RetryAfter> {
        check(&self.by_site, &site)
    }

    /// One more login to an account. It counts as failed until [`Limits::succeeded`]: a wrong password is noticed
    /// by the client, which then just falls silent.
    pub(crate) fn login(&mut self, user: &UserName, site: Site, now: Instant) -> Result<(), RetryAfter> {
        self.attempt(site)?;
        let key = (user.clone(), site);
        let failures = self.failures.entry(key).or_insert(Failures {
            count: 0,
            retry_at: now,
        });
        if failures.retry_at > now {
            return Err(RetryAfter(failures.retry_at - now));
        }
        check(&self.by_user, user)?;
        let delay = self
            .delay_first
            .saturating_mul(1 << failures.count.min(16))
            .min(self.delay_max);
        failures.count += 1;
        failures.retry_at = now + delay;
        Ok(())
    }

    /// The last login was good.
    pub(crate) fn succeeded(&mut self, user: &UserName, site: Site) {
        self.failures.remove(&(user.clone(), site));
    }

    /// Forgets what makes no difference any more.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.by_site.retain_recent();
        self.by_user.retain_recent();
        let keep = self.delay_max;
        self.failures.retain(|_, failures| failures.retry_at + keep > now);
    }
}

/// The whole minute's worth may come at once.
fn per_minute<K: Clone + Eq + Hash>(attempts: u32) -> DefaultKeyedRateLimiter<K> {
    let attempts = NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN);
    DefaultKeyedRateLimiter::keyed(Quota::per_minute(attempts))
}

fn check<K: Clone + Eq + Hash>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), RetryAfter> {
    limiter
        .check_key(key)
        .map_err(|not_until| RetryAfter(not_until.wait_time_from(DefaultClock::default().now())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn limits(per_address: u32, per_user: u32) -> Limits {
        Limits::new(&Settings {
            attempts_per_address: per_address,
            attempts_per_user: per_user,
            login_delay_first_ms: 100,
            login_delay_max_ms: 300,
            ..Settings::default()
        })
    }

    fn ana() -> UserName {
        UserName::parse("ana").unwrap()
    }

    fn site(last: u8) -> Site {
        IpAddr::from([192, 0, 2, last]).into()
    }

    #[test]
    fn each_failed_login_makes_the_next_wait_longer_up_to_a_limit() {
        let (mut limits, mut now) = (limits(100, 100), Instant::now());
        for wait in [100, 200, 300, 300] {
            assert_eq!(limits.login(&ana(), site(1), now), Ok(()));
            let wait = Duration::from_millis(wait);
            assert_eq!(limits.login(&ana(), site(1), now), Err(RetryAfter(wait)));
            now += wait;
        }
        limits.succeeded(&ana(), site(1));
        assert_eq!(limits.login(&ana(), site(1), now), Ok(()));
    }

    #[test]
    fn guessing_elsewhere_does_not_delay_the_owner() {
        let (mut limits, now) = (limits(100, 100), Instant::now());
        assert_eq!(limits.login(&ana(), site(1), now), Ok(()));
        assert_eq!(limits.login(&ana(), site(2), now), Ok(()));
    }

    #[test]
    fn an_address_and_an_account_have_so_many_attempts_a_minute() {
        let (mut one_site, now) = (limits(2, 100), Instant::now());
        assert!(one_site.attempt(site(1)).is_ok() && one_site.attempt(site(1)).is_ok());
        assert!(one_site.login(&ana(), site(1), now).is_err());
        assert!(one_site.login(&ana(), site(2), now).is_ok());
        let mut one_user = limits(100, 1);
        assert!(one_user.login(&ana(), site(1), now).is_ok());
        assert!(one_user.login(&ana(), site(2), now).is_err());
    }

    #[test]
    fn the_addresses_of_an_ipv6_site_count_as_one() {
        let site = |text: &str| Site::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(site("2001:db8::1"), site("2001:db8::ffff:2"));
        assert_ne!(site("2001:db8::1"), site("2001:db8:0:1::1"));
        assert_eq!(site("::ffff:192.0.2.1"), site("192.0.2.1"));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let (mut limits, now) = (limits(100, 100), Instant::now());
        limits.login(&ana(), site(1), now).unwrap();
        limits.tidy(now + Duration::from_secs(1));
        assert!(limits.failures.is_empty());
    }
}
