//! Both programs as a shell sees them: help, version, exit codes, what a mistake is answered with.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use roomrtc_tests::harness::program;

/// Runs a program without a screen in an empty folder, so that nothing of this machine gets in.
fn run(name: &str, words: &[&str]) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("wrong.ron"),
        "(\n    server: (listn: \"127.0.0.1:0\"),\n)\n",
    )?;
    Ok(Command::new(program(name)?)
        .args(words)
        .current_dir(folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()?)
}

#[test]
fn help_and_version_are_answered_on_standard_output() -> Result<()> {
    for (name, words, said) in [
        ("roomrtc-server", &["--help"][..], "--set <SECTION.KEY=VALUE>"),
        ("roomrtc", &["--help"], "headless"),
        ("roomrtc", &["headless", "--help"], "--screenshot-remote"),
        ("roomrtc-server", &["--version"], env!("CARGO_PKG_VERSION")),
        ("roomrtc", &["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = run(name, words)?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{name} {words:?}: {}", output.status);
        ensure!(stdout.contains(said), "{name} {words:?} said: {stdout}");
        ensure!(output.stderr.is_empty(), "{name} {words:?} complained");
    }
    Ok(())
}

#[test]
fn a_mistake_is_told_on_standard_error_with_its_place_and_nothing_is_begun() -> Result<()> {
    let key = "wrong.ron:2:14: server.listn: there is no such key (did you mean `listen`?)";
    for (name, words, said) in [
        ("roomrtc-server", &["wrong.ron"][..], key),
        (
            "roomrtc",
            &["headless", "wrong.ron", "--user", "ana", "--password-env", "HOME"],
            key,
        ),
        ("roomrtc-server", &["nowhere.ron"], "nowhere.ron"),
        (
            "roomrtc-server",
            &["--set", "server.max_connections=many"],
            "server.max_connections",
        ),
        ("roomrtc-server", &["--colour"], "--colour"),
        ("roomrtc", &["headless", "--user", "ana"], "--password-env"),
        ("roomrtc", &[], "there is no screen to open a window on"),
    ] {
        let output = run(name, words)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2),
            "{name} {words:?}: {}",
            output.status
        );
        ensure!(stderr.contains(said), "{name} {words:?} said: {stderr}");
        ensure!(output.stdout.is_empty(), "{name} {words:?} printed something");
    }
    Ok(())
}
