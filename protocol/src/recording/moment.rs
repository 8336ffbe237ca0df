//! Instants as nanoseconds since the beginning of a recording: for `#[serde(with = "crate::recording::moment")]`.
//!
//! What the nanoseconds count from is given by [`counting_from`] for as long as something is written or read; outside of
//! it instants can be neither.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Instant;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{shifted, signed_nanos};

thread_local! {
    static ORIGIN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs code in which instants are written and read as nanoseconds since `origin`.
pub fn counting_from<T>(origin: Instant, code: impl FnOnce() -> T) -> T {
    /// Also when the code panics.
    struct Back(Option<Instant>);
    impl Drop for Back {
        fn drop(&mut self) {
            ORIGIN.set(self.0);
        }
    }
    let _back = Back(ORIGIN.replace(Some(origin)));
    code()
}

/// Nanoseconds from `origin` to an instant, negative before it. Enough for 292 years.
pub fn nanos(origin: Instant, at: Instant) -> i64 {
    signed_nanos(origin, at) as i64
}

/// The instant so many nanoseconds after `origin`; `None` where the machine's clock does not reach.
pub fn instant(origin: Instant, nanos: i64) -> Option<Instant> {
    shifted(origin, i128::from(nanos))
}

/// What holds instants.
pub trait Moments: Sized {
    /// The same with numbers in their place.
    type Plain: Serialize + DeserializeOwned;

    /// Puts numbers in.
    fn plain(&self, origin: Instant) -> Self::Plain;

    /// Puts instants in; `None` where the machine's clock does not reach.
    fn of(plain: Self::Plain, origin: Instant) -> Option<Self>;
}

impl Moments for Instant {
    type Plain = i64;

    fn plain(&self, origin: Instant) -> i64 {
        nanos(origin, *self)
    }

    fn of(plain: i64, origin: Instant) -> Option<Self> {
        instant(origin, plain)
    }
}

impl<T: Moments> Moments for Option<T> {
    type Plain = Option<T::Plain>;

    fn plain(&self, origin: Instant) -> Self::Plain {
        self.as_ref().map(|value| value.plain(origin))
    }

    fn of(plain: Self::Plain, origin: Instant) -> Option<Self> {
        match plain {
            None => Some(None),
            Some(plain) => T::of(plain, origin).map(Some),
        }
    }
}

/// What stands beside an instant.
macro_rules! beside {
    ($($number:ty),*) => {$(
        impl Moments for ($number, Instant) {
            type Plain = ($number, i64);

            fn plain(&self, origin: Instant) -> Self::Plain {
                (self.0, nanos(origin, self.1))
            }

            fn of((number, at): Self::Plain, origin: Instant) -> Option<Self> {
                Some((number, instant(origin, at)?))
            }
        }
    )*};
}

beside!(u8, u32, u64);

impl Moments for (Instant, u64) {
    type Plain = (i64, u64);

    fn plain(&self, origin: Instant) -> Self::Plain {
        (nanos(origin, self.0), self.1)
    }

    fn of((at, number): Self::Plain, origin: Instant) -> Option<Self> {
        Some((instant(origin, at)?, number))
    }
}

impl Moments for BTreeMap<u64, Instant> {
    type Plain = BTreeMap<u64, i64>;

    fn plain(&self, origin: Instant) -> Self::Plain {
        self.iter().map(|(key, at)| (*key, nanos(origin, *at))).collect()
    }

    fn of(plain: Self::Plain, origin: Instant) -> Option<Self> {
        let pairs = plain
            .into_iter()
            .map(|(key, at)| Some((key, instant(origin, at)?)));
        pairs.collect()
    }
}

/// Writes instants.
///
/// # Errors
/// Outside of [`counting_from`].
pub fn serialize<T: Moments, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let origin = ORIGIN
        .get()
        .ok_or_else(|| S::Error::custom("no beginning to count from"))?;
    value.plain(origin).serialize(serializer)
}

/// Reads instants.
///
/// # Errors
/// Outside of [`counting_from`], and where the machine's clock does not reach.
pub fn deserialize<'de, T: Moments, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let origin = ORIGIN
        .get()
        .ok_or_else(|| D::Error::custom("no beginning to count from"))?;
    let plain = T::Plain::deserialize(deserializer)?;
    T::of(plain, origin).ok_or_else(|| D::Error::custom("a time out of reach"))
}
