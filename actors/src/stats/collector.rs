//! The actor that reads the call's counters once a second and publishes the figures.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context};
use roomrtc_kit::{Directory, MeterView};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ActorStats, AudioStats, CallStats, ScreenStats, TransportStats, VideoStats, process};
use crate::counters::{Beat, Counters, lock};

/// What the collector needs.
#[derive(Clone)]
pub struct StatsSetup {
    /// Read here.
    pub counters: Arc<Counters>,
    /// Those of screens.
    pub screen: Arc<Counters>,
    /// Published here.
    pub figures: Arc<watch::Sender<CallStats>>,
    /// How often.
    pub interval: Duration,
}

/// Turns running totals into figures per second.
pub struct Stats {
    setup: StatsSetup,
    before: Totals,
    screen_before: Totals,
    since: Instant,
}

/// The totals a rate is made of.
#[derive(Clone, Copy, Default)]
struct Totals {
    captured: u64,
    encoded: u64,
    received: u64,
    decoded: u64,
    video_sent: u64,
    video_received: u64,
    audio_sent: u64,
    audio_received: u64,
}

impl Stats {
    /// Starts counting now.
    pub fn new(setup: StatsSetup) -> Self {
        let before = Totals::read(&setup.counters);
        Stats {
            screen_before: Totals::read(&setup.screen),
            setup,
            before,
            since: Instant::now(),
        }
    }

    fn publish(&mut self) {
        let now = Totals::read(&self.setup.counters);
        let seconds = self.since.elapsed().as_secs_f64().max(f64::EPSILON);
        let screen_now = Totals::read(&self.setup.screen);
        let counters = &self.setup.counters;
        let figures = CallStats {
            video: video(counters, &self.before, &now, seconds),
            screen: screen(&self.setup.screen, &self.screen_before, &screen_now, seconds),
            audio: audio(counters, &self.before, &now, seconds),
            transport: transport(counters),
            rtcp_received: lock(&counters.transport.reports_received).clone(),
            rtcp_sent: lock(&counters.transport.reports_sent).clone(),
            process: process::measure(),
            actors: Directory::overview().iter().map(actor).collect(),
        };
        self.setup.figures.send_replace(figures);
        (self.before, self.screen_before) = (now, screen_now);
        self.since = Instant::now();
    }
}

impl Actor for Stats {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.setup.interval, |this, _| this.publish());
    }
}

impl Totals {
    fn read(counters: &Counters) -> Self {
        Totals {
            captured: counters.video.captured.now(),
            encoded: counters.video.encoded.now(),
            received: counters.video.received.now(),
            decoded: counters.video.decoded.now(),
            video_sent: counters.video_rtp.bytes_sent.now(),
            video_received: counters.video_rtp.bytes_received.now(),
            audio_sent: counters.audio_rtp.bytes_sent.now(),
            audio_received: counters.audio_rtp.bytes_received.now(),
        }
    }
}

fn per_second(before: u64, now: u64, seconds: f64) -> f64 {
    let rate = now.saturating_sub(before) as f64 / seconds;
    (rate * 10.0).round() / 10.0
}

fn kbps(before: u64, now: u64, seconds: f64) -> f64 {
    (now.saturating_sub(before) as f64 * 8.0 / 1000.0 / seconds).round()
}

fn gap_ms(beat: &Beat) -> u64 {
    let longest = beat.take_longest_of_second().max(beat.pause());
    longest.unwrap_or_default().as_millis() as u64
}

fn video(counters: &Counters, before: &Totals, now: &Totals, seconds: f64) -> VideoStats {
    let (video, rtp) = (&counters.video, &counters.video_rtp);
    VideoStats {
        codec: video.codec.now(),
        codec_received: video.codec_received.now(),
        width: video.width.now() as u32,
        height: video.height.now() as u32,
        fps_captured: per_second(before.captured, now.captured, seconds),
        fps_encoded: per_second(before.encoded, now.encoded, seconds),
        fps_received: per_second(before.received, now.received, seconds),
        fps_decoded: per_second(before.decoded, now.decoded, seconds),
        kbps_sent: kbps(before.video_sent, now.video_sent, seconds),
        kbps_received: kbps(before.video_received, now.video_received, seconds),
        packets_lost: rtp.lost.now(),
        packets_late: rtp.late.now(),
        jitter_ms: rtp.jitter_ms.now(),
        nack: rtp.nack.now(),
        resent: rtp.resent.now(),
        pli: rtp.pli.now(),
        freezes: video.freezes.now(),
        freeze_ms: video.freeze_ms.now(),
        gap_ms: gap_ms(&video.on_screen),
        barcodes_read: video.barcodes_read.now(),
        barcode_errors: video.barcode_errors.now(),
        glass_to_glass_ms: video.glass_to_glass_ms.take(),
    }
}

fn screen(counters: &Counters, before: &Totals, now: &Totals, seconds: f64) -> ScreenStats {
    ScreenStats {
        width: counters.video.width.now() as u32,
        height: counters.video.height.now() as u32,
        fps_encoded: per_second(before.encoded, now.encoded, seconds),
        fps_decoded: per_second(before.decoded, now.decoded, seconds),
        kbps_sent: kbps(before.video_sent, now.video_sent, seconds),
        kbps_received: kbps(before.video_received, now.video_received, seconds),
    }
}

fn audio(counters: &Counters, before: &Totals, now: &Totals, seconds: f64) -> AudioStats {
    let (audio, rtp) = (&counters.audio, &counters.audio_rtp);
    AudioStats {
        kbps: kbps(before.audio_received, now.audio_received, seconds),
        kbps_sent: kbps(before.audio_sent, now.audio_sent, seconds),
        gap_ms: gap_ms(&audio.played),
        packets_lost: rtp.lost.now(),
        jitter_ms: rtp.jitter_ms.now(),
        concealed_ms: audio.concealed_ms.now(),
        jitter_buffer_ms: audio.jitter_buffer_ms.now(),
        level_dbfs: audio.level_dbfs.now(),
        input_level_dbfs: audio.input_level_dbfs.now(),
        echo_return_loss_enhancement_db: audio.echo_return_loss_enhancement_db.known(),
        tone_hz: audio.tone_hz.known(),
        lip_sync_ms: audio.lip_sync_ms.known(),
    }
}

fn transport(counters: &Counters) -> TransportStats {
    let transport = &counters.transport;
    TransportStats {
        rtt_ms: transport.rtt_ms.known(),
        local: transport.local.now(),
        remote: transport.remote.now(),
        pair: transport.pair.now(),
        dtls: transport.dtls.now(),
        srtp: transport.srtp.now(),
        available_kbps: transport.available_kbps.now(),
        remb_kbps: transport.remb_kbps.known(),
        feedback_received: transport.feedback_received.now(),
        feedback_sent: transport.feedback_sent.now(),
        streams_refused: transport.streams_refused.now(),
    }
}

fn actor(view: &MeterView) -> ActorStats {
    ActorStats {
        name: view.name.clone(),
        depth: view.depth,
        max_depth: view.deepest,
        handled: view.handled(),
        p99_us: view.work_p99().as_nanos() as f64 / 1000.0,
        restarts: view.restarts(),
    }
}
