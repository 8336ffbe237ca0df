//! A value that an actor works on and leaves to its next life, unless it died in the middle of that work.

use std::ops::{Deref, DerefMut};

use crate::keep::Keep;

/// A machine too large to be copied into a [`Keep`] after every step. The actor owns it; whoever touches it mutably
/// unsettles it, and [`Legacy::settle`] at the end of a step says that it is whole again. When the actor dies while it
/// is settled, the next life goes on with it; when it dies at work, the next life finds nothing.
pub struct Legacy<T> {
    keep: Keep<T>,
    value: Option<T>,
    settled: bool,
}

impl<T> Legacy<T> {
    /// What an earlier life left in `keep`, or a new value; with it, whether it is the former.
    pub fn inherit(keep: &Keep<T>, new: impl FnOnce() -> T) -> (Self, bool) {
        let left = keep.take();
        let inherited = left.is_some();
        let legacy = Legacy {
            keep: keep.clone(),
            value: Some(left.unwrap_or_else(new)),
            settled: true,
        };
        (legacy, inherited)
    }

    /// The step has succeeded.
    pub fn settle(&mut self) {
        self.settled = true;
    }
}

impl<T> Deref for Legacy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("there until it is dropped")
    }
}

impl<T> DerefMut for Legacy<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.settled = false;
        self.value.as_mut().expect("there until it is dropped")
    }
}

impl<T> Drop for Legacy<T> {
    fn drop(&mut self) {
        if self.settled
            && let Some(value) = self.value.take()
        {
            self.keep.put(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_value_is_inherited_and_one_at_work_is_not() {
        let keep = Keep::default();
        let (mut first, inherited) = Legacy::inherit(&keep, || vec![1]);
        assert!(!inherited);
        first.push(2);
        first.settle();
        drop(first);

        let (mut second, inherited) = Legacy::inherit(&keep, Vec::new);
        assert!(inherited);
        assert_eq!(*second, [1, 2]);
        second.push(3);
        drop(second); // died at work

        let (third, inherited) = Legacy::inherit(&keep, Vec::new);
        assert!(!inherited);
        assert!(third.is_empty());
    }
}
