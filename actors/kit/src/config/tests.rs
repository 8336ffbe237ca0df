#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn file() -> &'static Path {
    Path::new("config.ron")
}

fn problem(text: &str) -> String {
    Config::parse(text, file()).unwrap_err().to_string()
}

fn set(text: &str) -> Result<Config, String> {
    let mut config = Config::default();
    config
        .apply(text)
        .map(|()| config)
        .map_err(|problem| problem.to_string())
}

/// The root of the sources.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_shipped_file_is_the_defaults() {
    let text = shipped("config.ron");
    assert_eq!(Config::parse(&text, file()).unwrap(), Config::default());
    assert_eq!(
        text,
        config_file(),
        "run: cargo run -p roomrtc-kit --example write_config"
    );
}

#[test]
fn the_manual_is_current() {
    let text = shipped("docs/configuration.md");
    assert_eq!(
        text,
        manual(),
        "run: cargo run -p roomrtc-kit --example write_config"
    );
}

#[test]
fn every_default_is_allowed_and_can_be_set_again() {
    let mut config = Config::default();
    for table in tables() {
        for key in table.keys {
            let text = format!("{}.{}={}", table.name, key.name, key.default);
            config.apply(&text).unwrap_or_else(|problem| panic!("{problem}"));
            assert!(key.meaning.ends_with('.'), "{text}: a meaning is a sentence");
        }
    }
    assert_eq!(config, Config::default());
    config.agree().unwrap();
}

#[test]
fn a_file_needs_to_hold_only_what_it_changes() {
    let config = Config::parse("(media: (width: 640, height: 360), debug: (chaos: true))", file()).unwrap();
    assert_eq!(
        (config.media.width, config.media.fps, config.debug.chaos),
        (640, 30, true)
    );
    assert_eq!(config.server, Server::default());
}

#[test]
fn an_unknown_key_is_told_with_line_and_likeliest_meaning() {
    let text = "(\n    server: (\n        lisen: \"0.0.0.0:1\",\n    ),\n)";
    assert_eq!(
        problem(text),
        "config.ron:3:9: server.lisen: there is no such key (did you mean `listen`?)"
    );
    assert_eq!(
        problem("(\n sever: (),\n)"),
        "config.ron:2:2: sever: there is no such key (did you mean `server`?)"
    );
}

#[test]
fn a_wrong_type_is_told_with_its_key() {
    let text = "(\n    media: (\n        fps: \"many\",\n    ),\n)";
    let told = problem(text);
    assert!(told.starts_with("config.ron:3:"), "{told}");
    assert!(told.contains("media.fps: expected"), "{told}");
    assert!(told.contains("whole number, allowed: 1 to 60"), "{told}");
    let told = problem("(media: (video_codec: h265))");
    assert!(
        told.contains("media.video_codec: `h265` is not allowed (did you mean `h264`?)"),
        "{told}"
    );
    let told = problem("(media: (fps: 30, fps: 31))");
    assert!(told.contains("media.fps: the key is there twice"), "{told}");
}

#[test]
fn a_value_out_of_range_is_told_with_its_line() {
    let text = "(\n    media: (\n        width: 1280,\n        fps: 400,\n    ),\n)";
    assert_eq!(
        problem(text),
        "config.ron:4:9: media.fps: 400 is not allowed (allowed: 1 to 60)"
    );
    let told = problem("(ice: (stun_servers: [\"stun:a:1\", \"nonsense\"]))");
    assert!(
        told.contains("ice.stun_servers") && told.contains("each HOST:PORT"),
        "{told}"
    );
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let told = problem("(\n media: (min_bitrate_kbps: 2000),\n)");
    let expected =
        "media.min_bitrate_kbps: it is above `start_bitrate_kbps` (lower it, or raise `start_bitrate_kbps`)";
    assert_eq!(told, format!("config.ron:2:10: {expected}"));
    let told = problem("(sdp: (vp8_payload_type: 111))");
    assert!(
        told.contains("sdp.vp8_payload_type: 111 is also the `opus_payload_type`"),
        "{told}"
    );
}

#[test]
fn an_override_is_ron_or_a_bare_word() {
    assert_eq!(set("server.listen=127.0.0.1:0").unwrap().server.listen.port(), 0);
    assert_eq!(
        set("client.data_dir=/tmp/a b").unwrap().client.data_dir,
        Path::new("/tmp/a b")
    );
    assert_eq!(
        set("client.data_dir=\"/tmp\"").unwrap().client.data_dir,
        Path::new("/tmp")
    );
    assert_eq!(
        set("media.video_codec=vp8").unwrap().media.video_codec,
        VideoCodec::Vp8
    );
    assert_eq!(set("media.camera=12").unwrap().media.camera, "12");
    assert!(set("debug.chaos=true").unwrap().debug.chaos);
    let servers = set("ice.stun_servers=stun:a.example:3478,b:1")
        .unwrap()
        .ice
        .stun_servers;
    assert_eq!(servers, ["stun:a.example:3478", "b:1"]);
    let profiles = set("network.srtp_profiles=aes128_cm_sha1_80")
        .unwrap()
        .network
        .srtp_profiles;
    assert_eq!(profiles, [SrtpProfile::Aes128CmSha1_80]);
}

#[test]
fn a_wrong_override_is_told_as_typed() {
    let told = set("server.lissten=x").unwrap_err();
    assert!(
        told.contains(
            "--set server.lissten=x: server.lissten: there is no such key (did you mean `listen`?)"
        )
    );
    assert!(
        set("srver.listen=x")
            .unwrap_err()
            .contains("there is no such section (did you mean `server`?)")
    );
    assert!(set("nonsense").unwrap_err().contains("write section.key=VALUE"));
    assert!(
        set("media.fps=fast")
            .unwrap_err()
            .contains("which is a whole number (allowed: 1 to 60)")
    );
    assert!(
        set("media.fps=0")
            .unwrap_err()
            .contains("0 is not allowed (allowed: 1 to 60)")
    );
    let told = Config::load(None, &["media.min_bitrate_kbps=3000".into()])
        .unwrap_err()
        .to_string();
    assert!(told.contains("it is above `start_bitrate_kbps`"), "{told}");
}

#[test]
fn the_file_named_comes_first_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.ron");
    let missing = Config::load(Some(&path), &[]).unwrap_err().to_string();
    assert!(missing.contains("mine.ron"), "{missing}");
    std::fs::write(&path, "(media: (fps: 15))").unwrap();
    let loaded = Config::load(Some(&path), &["media.width=640".into()]).unwrap();
    assert_eq!((loaded.config.media.fps, loaded.config.media.width), (15, 640));
    assert_eq!(loaded.file.as_deref(), Some(path.as_path()));
}

#[test]
fn times_are_durations_in_the_unit_of_their_name() {
    let config = Config::default();
    assert_eq!(
        config.server.ring_timeout().as_millis(),
        u128::from(config.server.ring_timeout_ms)
    );
    assert_eq!(config.server.token_life().as_secs(), config.server.token_life_s);
    for table in tables() {
        for key in table.keys.iter().filter(|key| key.kind == "number") {
            let timed = key.name.ends_with("_ms") || key.name.ends_with("_s");
            assert!(!timed, "{}.{}: a time is a whole number", table.name, key.name);
        }
    }
}

#[test]
fn a_dead_client_is_offline_within_five_seconds_by_default() {
    let server = Server::default();
    assert!(server.heartbeat_timeout_ms + server.resume_grace_ms <= 5000);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,300}") {
        let _ = Config::parse(&text, file());
        let _ = Config::default().apply(&text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_with_a_line_of_it(at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut letters: Vec<char> = config_file().chars().collect();
        let lines = 1 + letters.iter().filter(|&&c| c == '\n').count() + usize::from(with == '\n');
        let at = at.index(letters.len());
        letters[at] = with;
        let text: String = letters.into_iter().collect();
        if let Err(problem) = Config::parse(&text, file()) {
            let Place::File { line, .. } = problem.place else { panic!("{problem}") };
            prop_assert!((1..=lines).contains(&line), "{problem}");
        }
    }

    #[test]
    fn any_value_is_taken_or_refused(key in any::<prop::sample::Index>(), value in ".{0,60}") {
        let tables = tables();
        let keys: Vec<_> = tables.iter().flat_map(|t| t.keys.iter().map(move |k| (t.name, k.name))).collect();
        let (section, key) = keys[key.index(keys.len())];
        let _ = Config::default().apply(&format!("{section}.{key}={value}"));
    }
}
