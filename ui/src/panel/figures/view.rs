//! How the figures look.

use iced::widget::{Column, column, container, row, space as gap, text};
use iced::{Center, Element, Fill, Right};
use roomrtc_actors::stats::{ActorStats, Quantiles, RtcpStats};

use super::Figures;
use crate::theme::{self, Tone, size, space};
use crate::widget::labels::PAGE;
use crate::widget::{caption, empty, line, metric, scroll};
use crate::{font, icon, words};

/// Messages waiting from which a mailbox is worth a look.
const FULL_MAILBOX: u32 = 16;
/// Width of a number in the table of actors.
const NUMBER: f32 = 46.0;

impl Figures {
    /// The panel.
    pub fn view<'a, M: 'a>(&'a self) -> Element<'a, M> {
        if self.rtt.is_empty() {
            return empty(
                icon::activity(),
                "No figures yet",
                "They come once a second as soon as the call is connected.",
            );
        }
        let blocks = column![
            self.lines(),
            self.video(),
            self.audio(),
            self.transport(),
            self.reports(),
            self.set_up_block(),
            self.process(),
            self.actors(),
        ];
        scroll(blocks.spacing(space::XL)).id(PAGE).height(Fill).into()
    }

    fn lines<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let rtt = match self.latest.transport.rtt_ms {
            Some(rtt) => format!("{rtt:.1} ms"),
            None => "–".into(),
        };
        let video = &self.latest.video;
        row![
            metric("ROUND TRIP", rtt, &self.rtt, Tone::Good),
            metric(
                "VIDEO IN",
                words::bit_rate(video.kbps_received),
                &self.received,
                Tone::Accent
            ),
            metric(
                "PICTURES",
                format!("{:.0} fps", video.fps_decoded),
                &self.fps,
                Tone::Warning
            ),
        ]
        .spacing(space::L)
        .into()
    }

    fn video<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let v = &self.latest.video;
        let codec = match (v.codec_received.as_str(), v.height) {
            ("", _) => "–".to_owned(),
            (codec, 0) => codec.to_uppercase(),
            (codec, _) => format!("{} {}×{}", codec.to_uppercase(), v.width, v.height),
        };
        let mut rows = vec![
            ("Picture", codec),
            (
                "Sent: camera, encoded",
                format!("{:.0}, {:.0} fps", v.fps_captured, v.fps_encoded),
            ),
            (
                "Received: arrived, decoded",
                format!("{:.0}, {:.0} fps", v.fps_received, v.fps_decoded),
            ),
            (
                "Bit rate out, in",
                format!(
                    "{}, {}",
                    words::bit_rate(v.kbps_sent),
                    words::bit_rate(v.kbps_received)
                ),
            ),
            (
                "Packets lost, late",
                format!("{}, {}", v.packets_lost, v.packets_late),
            ),
            ("Jitter", format!("{:.1} ms", v.jitter_ms)),
            ("Asked again, sent again", format!("{}, {}", v.nack, v.resent)),
            ("Key frames asked for", v.pli.to_string()),
            ("Freezes", format!("{} ({} ms)", v.freezes, v.freeze_ms)),
        ];
        if let Some(Quantiles { p50, p95 }) = v.glass_to_glass_ms {
            rows.push(("Camera to screen p50, p95", format!("{p50:.0}, {p95:.0} ms")));
        }
        block("VIDEO", rows)
    }

    fn audio<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let a = &self.latest.audio;
        let mut rows = vec![
            (
                "Bit rate out, in",
                format!("{}, {}", words::bit_rate(a.kbps_sent), words::bit_rate(a.kbps)),
            ),
            ("Packets lost", a.packets_lost.to_string()),
            ("Jitter", format!("{:.1} ms", a.jitter_ms)),
            ("Jitter buffer", format!("{:.0} ms", a.jitter_buffer_ms)),
            ("Made up for loss", format!("{} ms", a.concealed_ms)),
            (
                "Level out, in",
                format!("{}, {}", level(a.input_level_dbfs), level(a.level_dbfs)),
            ),
        ];
        if let Some(softer) = a.echo_return_loss_enhancement_db {
            rows.push(("Echo made softer by", format!("{softer:.0} dB")));
        }
        if let Some(offset) = a.lip_sync_ms {
            rows.push(("Sound behind picture", format!("{offset:+.0} ms")));
        }
        block("SOUND", rows)
    }

    fn transport<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let t = &self.latest.transport;
        block(
            "CONNECTION",
            vec![
                ("Candidate pair", known(&t.pair)),
                ("Local address", known(&t.local)),
                ("Remote address", known(&t.remote)),
                ("DTLS", known(&t.dtls)),
                ("SRTP", known(&t.srtp)),
                ("Allowed to send", words::bit_rate(t.available_kbps)),
            ],
        )
    }

    fn reports<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let (from, to) = (&self.latest.rtcp_received, &self.latest.rtcp_sent);
        let number = |words: String| {
            text(words)
                .size(size::SMALL)
                .font(font::MEDIUM)
                .width(NUMBER * 2.0)
                .align_x(Right)
        };
        let head = |label| container(caption(label)).width(NUMBER * 2.0).align_x(Right);
        let two = |label: &'static str, show: fn(&RtcpStats) -> String| {
            row![
                text(label).size(size::SMALL).style(theme::muted).width(Fill),
                number(show(from)),
                number(show(to)),
            ]
        };
        column![
            row![
                container(caption("RTCP REPORTS")).width(Fill),
                head("FROM PEER"),
                head("TO PEER")
            ],
            line(),
            two("Reports", |r| r.reports.to_string()),
            two("Video loss", |r| percent(r.video_fraction_lost)),
            two("Video jitter", |r| format!("{:.1} ms", r.video_jitter_ms)),
            two("Sound loss", |r| percent(r.audio_fraction_lost)),
            two("Sound jitter", |r| format!("{:.1} ms", r.audio_jitter_ms)),
        ]
        .spacing(space::S)
        .into()
    }

    fn set_up_block<'a, M: 'a>(&'a self) -> Option<Element<'a, M>> {
        let times = self.set_up?;
        let ms = |time: f64| format!("{time:.0} ms");
        Some(block(
            "SET-UP",
            vec![
                ("Signaling", ms(times.signaling)),
                ("ICE", ms(times.ice)),
                ("DTLS", ms(times.dtls)),
                ("First packet", ms(times.first_packet)),
                ("First picture", ms(times.first_frame)),
                ("Accept to first picture", ms(times.total)),
            ],
        ))
    }

    fn process<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let cpu = match self.cpu {
            Some(cpu) => format!("{:.0} % of a core", cpu * 100.0),
            None => "–".into(),
        };
        block(
            "THIS CLIENT",
            vec![
                ("Processor", cpu),
                ("Memory", words::bytes(self.latest.process.rss_bytes)),
            ],
        )
    }

    fn actors<'a, M: 'a>(&'a self) -> Element<'a, M> {
        let head = |label| container(caption(label)).width(NUMBER).align_x(Right);
        let mut table = column![
            row![
                container(caption("ACTORS")).width(Fill),
                head("QUEUE"),
                head("PEAK"),
                head("MSG/S"),
                head("P99 µS"),
                head("LIVES")
            ],
            line(),
        ]
        .spacing(space::S);
        for actor in &self.latest.actors {
            table = table.push(actor_row(actor, self.rates.get(&actor.name).copied()));
        }
        table.into()
    }
}

fn actor_row<'a, M: 'a>(actor: &'a ActorStats, rate: Option<u64>) -> Element<'a, M> {
    let number = |words: String, tone: Option<Tone>| {
        let words = text(words).size(size::SMALL).width(NUMBER).align_x(Right);
        match tone {
            Some(tone) => words.font(font::SEMIBOLD).style(theme::toned(tone)),
            None => words,
        }
    };
    let full = (actor.depth >= FULL_MAILBOX).then_some(Tone::Warning);
    let restarted = (actor.restarts > 0).then_some(Tone::Warning);
    let name = actor.name.strip_prefix("call/").unwrap_or(&actor.name);
    row![
        container(
            text(name)
                .size(size::SMALL)
                .style(theme::muted)
                .wrapping(text::Wrapping::None)
        )
        .width(Fill)
        .clip(true),
        number(actor.depth.to_string(), full),
        number(actor.max_depth.to_string(), None),
        number(rate.map_or_else(|| "–".into(), |rate| rate.to_string()), None),
        number(format!("{:.0}", actor.p99_us), None),
        number((u64::from(actor.restarts) + 1).to_string(), restarted),
    ]
    .align_y(Center)
    .into()
}

fn block<'a, M: 'a>(head: &'a str, rows: Vec<(&'a str, String)>) -> Element<'a, M> {
    let rows = rows.into_iter().map(|(label, value)| {
        row![
            text(label).size(size::SMALL).style(theme::muted),
            gap().width(Fill),
            text(value)
                .size(size::SMALL)
                .font(font::MEDIUM)
                .align_x(Right)
                .wrapping(text::Wrapping::WordOrGlyph),
        ]
        .spacing(space::M)
        .into()
    });
    column![
        caption(head),
        line(),
        Column::with_children(rows).spacing(space::S)
    ]
    .spacing(space::S)
    .into()
}

fn known(words: &str) -> String {
    if words.is_empty() {
        "–".into()
    } else {
        words.to_owned()
    }
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// A level; without a signal it is minus infinity.
fn level(dbfs: f64) -> String {
    if dbfs.is_finite() && dbfs > -120.0 {
        format!("{dbfs:.0} dBFS")
    } else {
        "silent".into()
    }
}
