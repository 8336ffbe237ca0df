//! A call in which parts die all the time: two headless clients with pictures, sound and files, and a seeded dice that
//! says who dies next.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Headless, Server};

/// Time between two deaths.
const PAUSE: Duration = Duration::from_millis(500);
/// Size of the file that is sent again and again.
const FILE: usize = 24 << 20;
/// Time between two looks at the memory.
const LOOK: Duration = Duration::from_secs(10);
/// In the second half of the time the memory may grow by so much beyond what it was in the first: what threads that come
/// and go have once taken is not given back at once.
const MEMORY: u64 = 16 << 20;
/// Control mail that may wait in any mailbox.
const CONTROL: u64 = 512;

/// Who may die.
const PARTS: [&str; 19] = [
    "call/call",
    "call/capture/audio",
    "call/capture/video",
    "call/decoder/video",
    "call/dtls_session",
    "call/encoder/audio",
    "call/encoder/video",
    "call/file_transfer",
    "call/ice_agent",
    "call/playout/audio",
    "call/playout/video",
    "call/rtcp_reporter",
    "call/rtp_receiver/audio",
    "call/rtp_receiver/video",
    "call/rtp_sender/audio",
    "call/rtp_sender/video",
    "call/sctp_association",
    "call/stats",
    "client/ui_bridge",
];

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Parts that were killed.
    pub deaths: usize,
    /// Files that arrived whole.
    pub files: usize,
    /// The longest pause in sound between two looks, ms.
    pub sound_gap_ms: u64,
    /// The longest pause in pictures between two looks, ms.
    pub picture_gap_ms: u64,
    /// Memory of each client every ten seconds and at the end, MiB.
    pub memory_mib: [Vec<u64>; 2],
}

/// Kills a random part of a random side every 500 ms for so long. An error says what did not survive.
///
/// # Errors
/// If the call ended, a file was not whole, memory grew or a mailbox exceeded its bound.
pub fn run(length: Duration, seed: u64) -> Result<Outcome> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let server = Server::start(&[])?;
    let file = server.folder().join("chaos.bin");
    let mut bytes = vec![0; FILE];
    dice.fill_bytes(&mut bytes);
    std::fs::write(&file, &bytes)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let mut story = Story::begin(&server, file, hash)?;
    let (start, mut deaths) = (Instant::now(), 0);
    let mut memory = [Vec::new(), Vec::new()];
    while start.elapsed() < length {
        std::thread::sleep(PAUSE);
        let side = dice.next_u32() as usize % 2;
        let part = PARTS[dice.next_u32() as usize % PARTS.len()];
        story.clients[side].order(&json!({"do": "crash", "actor": part}))?;
        deaths += 1;
        story
            .look()
            .with_context(|| format!("after {deaths} deaths, the last of {part} (seed {seed})"))?;
        if start.elapsed() >= LOOK * (memory[0].len() as u32 + 1) {
            story.look_at_memory(&mut memory);
        }
    }
    // what died last is back by then
    std::thread::sleep(4 * PAUSE);
    story.look()?;
    story.look_at_memory(&mut memory);
    for seen in &memory {
        let (first, second) = seen.split_at(seen.len() / 2);
        let most = |half: &[u64]| half.iter().copied().max().unwrap_or_default();
        ensure!(
            most(second) <= most(first) + MEMORY,
            "memory grows: {seen:?} (seed {seed})"
        );
    }
    story.check_mailboxes()?;
    story.end()?;
    ensure!(story.files > 0, "no file arrived");
    Ok(Outcome {
        deaths,
        files: story.files,
        sound_gap_ms: story.gaps[0],
        picture_gap_ms: story.gaps[1],
        memory_mib: memory.map(|seen| seen.into_iter().map(|bytes| bytes >> 20).collect()),
    })
}

struct Story {
    clients: [Headless; 2],
    file: PathBuf,
    hash: String,
    /// Lines looked at so far.
    seen: [usize; 2],
    files: usize,
    gaps: [u64; 2],
}

impl Story {
    fn begin(server: &Server, file: PathBuf, hash: String) -> Result<Self> {
        let received = server.folder().join("received");
        let received = received.to_str().context("path")?;
        let settings = [
            "--video",
            "test",
            "--audio",
            "test",
            "--set",
            "debug.chaos=true",
            // many deaths are wanted here
            "--set",
            "client.restart_limit=1000",
            "--set",
            "client.restart_period_s=1",
        ];
        let answer = ["--answer", "any", "--accept-files", received];
        let mut ben = server.client("ben", &[&settings[..], &answer].concat())?;
        ben.wait_for("online")?;
        let mut ana = server.client("ana", &[&settings[..], &["--call", "ben"]].concat())?;
        ana.wait_for("connected")?;
        ben.wait_for("connected")?;
        let mut story = Story {
            clients: [ana, ben],
            file,
            hash,
            seen: [0; 2],
            files: 0,
            gaps: [0; 2],
        };
        story.send()?;
        Ok(story)
    }

    fn send(&mut self) -> Result<()> {
        let path = self.file.clone();
        self.clients[0].order(&json!({"do": "send", "path": path}))
    }

    /// Hears what both have said since.
    fn look(&mut self) -> Result<()> {
        for side in 0..2 {
            self.clients[side].read();
            let lines = self.clients[side].said[self.seen[side]..].to_vec();
            self.seen[side] += lines.len();
            for line in lines {
                self.hear(side, &line)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, side: usize, line: &Value) -> Result<()> {
        match line["event"].as_str() {
            Some("ended" | "error") => anyhow::bail!("{} said {line}", self.clients[side].name()),
            Some("stats") => {
                for (gap, medium) in self.gaps.iter_mut().zip(["audio", "video"]) {
                    *gap = (*gap).max(line[medium]["gap_ms"].as_u64().unwrap_or_default());
                }
            }
            Some("file") if line["state"] == "failed" => anyhow::bail!("a file was lost: {line}"),
            Some("file") if side == 1 && line["state"] == "completed" => {
                ensure!(line["hash"] == self.hash.as_str(), "a file is damaged: {line}");
                if let Some(path) = line["path"].as_str() {
                    std::fs::remove_file(path)?;
                }
                self.files += 1;
                self.send()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes the memory of both clients as they said last, bytes.
    fn look_at_memory(&self, seen: &mut [Vec<u64>; 2]) {
        for (client, seen) in self.clients.iter().zip(seen) {
            let last = client.events("stats").last();
            seen.extend(last.and_then(|stats| stats["process"]["rss_bytes"].as_u64()));
        }
    }

    fn check_mailboxes(&mut self) -> Result<()> {
        for client in &mut self.clients {
            client.order(&json!({"do": "actors"}))?;
            let list = client.wait_for("actors")?;
            for actor in list["actors"].as_array().context("a list of actors")? {
                let kinds = actor["kinds"].as_array().context("kinds")?;
                let rooms = kinds.iter().map(|kind| {
                    let room = &kind["room"];
                    room["newest"]
                        .as_u64()
                        .or(room["paced"].as_u64())
                        .unwrap_or_default()
                });
                let bound = rooms.sum::<u64>() + CONTROL;
                ensure!(
                    actor["deepest"].as_u64() <= Some(bound),
                    "a mailbox was too full: {actor}"
                );
            }
        }
        Ok(())
    }

    /// The call is still there, and ends when told to.
    fn end(&mut self) -> Result<()> {
        self.clients[0].order(&json!({"do": "quit"}))?;
        let ended = self.clients[1].wait_for("ended")?;
        ensure!(ended["reason"] == "hung_up", "{ended}");
        Ok(())
    }
}
