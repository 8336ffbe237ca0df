//! For developers.

use super::section::{any, section};

section! {
    /// For developers and tests.
    Debug, "debug" {
        /// Let the actors panel and scripts crash, fail or hang an actor by its name.
        chaos: bool = false, any();
    }
}
