//! Logs: to a file that is rotated and to the standard error output, by the level of the configuration.
//!
//! Spans say who speaks: `client{user}`, `call{id}`, `actor{name life}`. What is secret or personal (session
//! descriptions, keys, addresses, names) is wrapped in [`Redacted`], which shows it only from `debug` on.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation as Rolling};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Level, Logging, Rotation};

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The folder of the file cannot be made.
    #[error("cannot make the log folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open the log file {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: tracing_appender::rolling::InitError,
    },
    /// The key `logging.filter` is wrong.
    #[error(
        "logging.filter: `{filter}` cannot be understood (write it as in `roomrtc_protocol=debug,hyper=info`)"
    )]
    Filter {
        /// What it says.
        filter: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process has logs already.
    #[error("logging was started twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Logs run as long as this lives; its end writes what still waits.
#[derive(Debug)]
#[must_use = "logging ends with it"]
pub struct Telemetry {
    _writer: Option<WorkerGuard>,
}

/// Starts the logs of a program. `folder` is its data folder, which relative paths are within.
pub fn start(logging: &Logging, folder: &Path) -> Result<Telemetry, TelemetryError> {
    let (file, writer) = match open(logging, folder)? {
        Some((file, writer)) => (Some(file), Some(writer)),
        None => (None, None),
    };
    let file = match file {
        Some(file) => Some(layer(file, logging.level, logging)?),
        None => None,
    };
    let stderr = layer(io::stderr, logging.stderr_level, logging)?;
    let registry = tracing_subscriber::registry().with(file).with(stderr);
    registry.try_init().map_err(TelemetryError::Twice)?;
    Ok(Telemetry { _writer: writer })
}

/// The file's writer, which has a thread of its own: no actor waits for the disk.
fn open(logging: &Logging, folder: &Path) -> Result<Option<(NonBlocking, WorkerGuard)>, TelemetryError> {
    if logging.file.as_os_str().is_empty() || logging.level == Level::Off {
        return Ok(None);
    }
    let path = folder.join(&logging.file);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    std::fs::create_dir_all(folder).map_err(|source| TelemetryError::Folder {
        path: folder.into(),
        source,
    })?;
    let rolling = RollingFileAppender::builder()
        .rotation(match logging.rotation {
            Rotation::Minutely => Rolling::MINUTELY,
            Rotation::Hourly => Rolling::HOURLY,
            Rotation::Daily => Rolling::DAILY,
            Rotation::Never => Rolling::NEVER,
        })
        .filename_prefix(name.to_string_lossy())
        .max_log_files(logging.max_files)
        .build(folder)
        .map_err(|source| TelemetryError::File {
            path: path.clone(),
            source,
        })?;
    let writer = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(logging.queue_lines)
        .thread_name("log")
        .finish(rolling);
    Ok(Some(writer))
}

/// Lines of one level to one place.
fn layer<S, W>(to: W, level: Level, logging: &Logging) -> Result<impl Layer<S> + use<S, W>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = lines::layer()
        .with_ansi(false)
        .with_writer(to)
        .event_format(Revealing(lines::format()));
    Ok(lines.with_filter(filter(level, &logging.filter)?))
}

/// The level is for the project's own crates; of others only warnings are of interest, unless `exceptions` ask.
fn filter(level: Level, exceptions: &str) -> Result<EnvFilter, TelemetryError> {
    let others = match level {
        Level::Off => "off",
        Level::Error => "error",
        Level::Warn | Level::Info | Level::Debug | Level::Trace => "warn",
    };
    let directives = format!("{others},roomrtc={},{exceptions}", level.word());
    EnvFilter::builder()
        .parse(directives.trim_end_matches(','))
        .map_err(|source| TelemetryError::Filter {
            filter: exceptions.into(),
            source,
        })
}

thread_local! {
    /// The line being written is for developers.
    static REVEAL: Cell<bool> = const { Cell::new(false) };
}

/// Something that does not belong into a log for everybody. It shows as `…`, except in lines of level `debug` and
/// `trace`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Redacted<T>(pub T);

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match REVEAL.get() {
            true => self.0.fmt(f),
            false => f.write_str("…"),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match REVEAL.get() {
            true => self.0.fmt(f),
            false => f.write_str("…"),
        }
    }
}

/// A line format that lets [`Redacted`] show what it holds in lines below `info`.
struct Revealing(Format);

impl<S, N> FormatEvent<S, N> for Revealing
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let outer = REVEAL.replace(*event.metadata().level() >= tracing::Level::DEBUG);
        let result = self.0.format_event(ctx, writer, event);
        REVEAL.set(outer);
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn logs_of(level: Level, exceptions: &str, speak: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let logging = Logging {
            level,
            filter: exceptions.into(),
            file: "sub/roomrtc.log".into(),
            rotation: Rotation::Never,
            ..Logging::default()
        };
        let (file, writer) = open(&logging, folder.path()).unwrap().unwrap();
        let layer = layer(file, level, &logging).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
        drop(writer);
        std::fs::read_to_string(folder.path().join("sub/roomrtc.log")).unwrap()
    }

    #[test]
    fn what_is_secret_shows_only_below_info() {
        let text = logs_of(Level::Debug, "", || {
            let span = tracing::info_span!("client", user = %Redacted("ana"));
            let _entered = span.enter();
            tracing::info!(name = %Redacted("bob"), "calling");
            tracing::debug!(name = %Redacted("carol"), "calling");
        });
        assert!(
            text.contains("client{user=…}") && text.contains("name=…"),
            "{text}"
        );
        assert!(!text.contains("ana") && !text.contains("bob"), "{text}");
        assert!(text.contains("carol"), "{text}");
        assert_eq!(format!("{} {:?}", Redacted("ana"), Redacted("ana")), "… …");
    }

    #[test]
    fn the_level_is_for_our_crates_and_exceptions_are_heard() {
        let text = logs_of(Level::Info, "roomrtc_kit::loud=debug", || {
            tracing::debug!("quiet");
            tracing::info!("ours");
            tracing::info!(target: "hyper", "theirs");
            tracing::debug!(target: "roomrtc_kit::loud", "exception");
        });
        assert!(text.contains("ours") && text.contains("exception"), "{text}");
        assert!(!text.contains("quiet") && !text.contains("theirs"), "{text}");
        let wrong = filter(Level::Info, "a=b=c").unwrap_err().to_string();
        assert!(wrong.starts_with("logging.filter: `a=b=c`"), "{wrong}");
    }

    #[test]
    fn no_file_is_a_choice() {
        let logging = Logging {
            file: PathBuf::new(),
            ..Logging::default()
        };
        assert!(open(&logging, Path::new("/nowhere")).unwrap().is_none());
    }
}
