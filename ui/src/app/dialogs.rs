//! What the desktop answers in its own time: file dialogs, devices.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use iced::Task;

use super::Message;
use crate::devices::Devices;
use crate::overlay::path::Purpose;

/// A dialog that was "cancelled" sooner than this was never shown: there is no portal, or it failed.
const NEVER_SHOWN: Duration = Duration::from_millis(600);

/// How a file dialog ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The user chose.
    Chosen(Purpose, Vec<PathBuf>),
    /// The user closed it.
    Cancelled,
    /// There is no file dialog here: let the user type.
    NoDialog(Purpose),
}

/// Shows the desktop's file dialog.
pub(super) fn pick(purpose: Purpose, from: &Path) -> Task<Message> {
    let dialog = rfd::AsyncFileDialog::new().set_directory(from);
    let task = async move {
        let asked = Instant::now();
        let chosen: Option<Vec<PathBuf>> = match purpose {
            Purpose::Send => dialog
                .set_title("Send files")
                .pick_files()
                .await
                .map(|files| files.iter().map(|file| file.path().to_owned()).collect()),
            Purpose::Downloads => dialog
                .set_title("Where received files go")
                .pick_folder()
                .await
                .map(|folder| vec![folder.path().to_owned()]),
        };
        match chosen {
            Some(paths) => Answer::Chosen(purpose, paths),
            None if asked.elapsed() < NEVER_SHOWN => Answer::NoDialog(purpose),
            None => Answer::Cancelled,
        }
    };
    Task::perform(task, Message::Picked)
}

/// Looks for devices, which can take a second.
pub(super) fn look_for_devices() -> Task<Message> {
    Task::future(async {
        let found = tokio::task::spawn_blocking(Devices::look).await;
        Message::Devices(found.unwrap_or_default())
    })
}
