//! Logs.

use std::path::PathBuf;

use super::section::{any, choice, length, range, section};

choice! {
    /// How much is logged.
    Level {
        /// Nothing.
        Off = "off",
        /// What went wrong.
        Error = "error",
        /// And what may go wrong.
        Warn = "warn",
        /// And changes of state.
        Info = "info",
        /// And what leads to them; may hold names and addresses.
        Debug = "debug",
        /// And every packet.
        Trace = "trace",
    }
}

choice! {
    /// When a new file is begun.
    Rotation {
        /// Each minute.
        Minutely = "minutely",
        /// Each hour.
        Hourly = "hourly",
        /// Each day (UTC).
        Daily = "daily",
        /// Never.
        Never = "never",
    }
}

section! {
    /// Logs: to a file, and to the standard error output.
    Logging, "logging" {
        /// How much goes to the file. Names, addresses and session descriptions appear only from debug on.
        level: Level = Level::Info, any();

        /// How much goes to the standard error output.
        stderr_level: Level = Level::Warn, any();

        /// Exceptions to both levels, as in `roomrtc_protocol::ice=debug,sqlx=warn` (tracing-subscriber's directives).
        filter: String = String::new(), length(0..=1024);

        /// The file, within the program's `data_dir` unless the path is absolute; its name gets the date when it is
        /// rotated. Empty means: no file.
        file: PathBuf = "roomrtc.log".into(), any();

        /// When a new file is begun.
        rotation: Rotation = Rotation::Daily, any();

        /// Files kept; the oldest is removed.
        max_files: usize = 7, range(1..=1000);

        /// Lines that wait for the disk; further ones are dropped and counted.
        queue_lines: usize = 16_384, range(16..=1_048_576);
    }
}
