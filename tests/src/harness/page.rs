//! A page in a browser, as its user and a script see it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::programs::PATIENCE;

/// Between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What is done with a page, whatever the browser.
pub trait Page {
    /// Opens a page, and waits until it is there.
    ///
    /// # Errors
    /// If it does not come.
    fn visit(&mut self, url: &str) -> Result<()>;

    /// What the body of a function answers in the page; it may `await`.
    ///
    /// # Errors
    /// If it throws.
    fn run(&mut self, body: &str) -> Result<Value>;

    /// Clicks what has this `id`.
    ///
    /// # Errors
    /// If it cannot be seen.
    fn click(&mut self, id: &str) -> Result<()>;

    /// Types into what has this `id`.
    ///
    /// # Errors
    /// If it is not there.
    fn fill(&mut self, id: &str, text: &str) -> Result<()>;

    /// Chooses a file in the file chooser with this `id`.
    ///
    /// # Errors
    /// If it is none.
    fn choose_file(&mut self, id: &str, path: &Path) -> Result<()>;

    /// Looks until the body of a function answers what `wanted` likes, within [`PATIENCE`].
    ///
    /// # Errors
    /// If it never does.
    fn wait_until(&mut self, what: &str, body: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.run(body);
            if let Ok(answer) = &answer
                && wanted(answer)
            {
                return Ok(answer.clone());
            }
            // A page that is just being replaced by the next cannot be asked.
            if Instant::now() > end {
                bail!("the page did not show {what}; it shows {answer:?}");
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
