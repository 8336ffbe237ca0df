//! Both programs as a shell sees them: help, version, exit codes, what a mistake is answered with.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::{Admin, Server, TurnServer, program};

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
        ("roomrtc-server", &["inspect", "--help"], "--once"),
        ("roomrtc-server", &["check", "--help"], "STUN and TURN"),
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
fn a_check_really_relays_and_says_in_words_what_is_wrong() -> Result<()> {
    let turn = TurnServer::start()?;
    let check = |settings: &[String]| -> Result<(bool, String)> {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let words: Vec<&str> = ["check", "--set", "server.listen=127.0.0.1:0"]
            .into_iter()
            .chain(settings)
            .collect();
        let output = run("roomrtc-server", &words)?;
        Ok((output.status.success(), String::from_utf8(output.stdout)?))
    };
    let settings = turn.settings(&["udp", "tcp"]);
    let (well, said) = check(&settings)?;
    ensure!(well && said.matches("it relays").count() == 2, "{said}");

    // The certificate of its TLS port is its own.
    let (well, said) = check(&turn.settings(&["tls"]))?;
    ensure!(!well && said.contains("an authority vouches for"), "{said}");

    let folder = tempfile::tempdir()?;
    let other = folder.path().join("other_secret");
    std::fs::write(&other, "not the secret of that server")?;
    let wrong = [
        settings[0].clone(),
        format!("server.turn_secret={}", other.display()),
    ];
    let (well, said) = check(&wrong)?;
    ensure!(
        !well && said.matches("it refuses the login").count() == 2,
        "{said}"
    );
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

#[test]
fn a_servers_owner_looks_at_its_actors_and_crashes_them_only_if_the_configuration_says_so() -> Result<()> {
    let server = Server::start(&[])?;
    let admin = Admin::of(&server)?;
    let output = run(
        "roomrtc-server",
        &[
            "inspect",
            "--once",
            "--socket",
            admin.socket.to_str().context("path")?,
        ],
    )?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{output:?}");
    for actor in ["server/calls", "server/accounts", "server/listener", "disk"] {
        ensure!(stdout.contains(actor), "{actor} is missing in: {stdout}");
    }
    ensure!(admin.ask("{\"do\":\"crash\",\"actor\":\"server/calls\"}")?["code"] == "not_allowed");
    ensure!(admin.ask("nonsense")?["code"] == "bad_command");
    ensure!(
        std::fs::metadata(&admin.socket)?.permissions().mode() & 0o077 == 0,
        "others may ask too"
    );

    let server = Server::start(&["debug.chaos=true"])?;
    let admin = Admin::of(&server)?;
    ensure!(admin.ask("{\"do\":\"crash\",\"actor\":\"nobody\"}")?["code"] == "unknown_actor");
    admin.crash("server/directory")?;
    Ok(())
}
