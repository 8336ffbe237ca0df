//! The commented `config.ron` and `docs/configuration.md`, written from the key tables.

use std::fmt::Write;

use super::{Table, tables};

/// Columns of a comment.
const WIDTH: usize = 110;

const HEAD: &str = "\
// RoomRTC: every setting of the client and of the server, with its default.
//
// Leave out what you do not change: a missing key has its default. The programs read the file named on the command
// line, else ./config.ron, else roomrtc/config.ron in the configuration folder ($XDG_CONFIG_HOME, ~/.config).
// `--set section.key=VALUE` on the command line changes one key for one run.
";

const INTRODUCTION: &str = "\
# Configuration

Both programs read one file, `config.ron` ([RON](https://github.com/ron-rs/ron)). They take the one named on the command
line, else `./config.ron`, else `roomrtc/config.ron` in the configuration folder (`$XDG_CONFIG_HOME`, usually
`~/.config`), else the defaults below. A missing section or key has its default, so that a file needs to hold only what
it changes:

```ron
(
    server: (listen: \"0.0.0.0:443\", data_dir: \"/var/lib/roomrtc\"),
    logging: (level: debug),
)
```

`--set section.key=VALUE` changes one key for one run, and may be repeated. VALUE is RON; the quotation marks of a text
may be left out, and a list may be written with commas:

```sh
roomrtc-server --set server.listen=127.0.0.1:0 --set ice.stun_servers=stun:192.0.2.1:3478
```

An unknown key or a value that is not allowed ends the program with the file, the line, the key and a hint:

```text
config.ron:2:14: server.listn: there is no such key (did you mean `listen`?)
```

The name of a key carries its unit: `_ms` milliseconds, `_s` seconds, `_bytes` bytes, `_kbps` 1000 bits a second. An empty
path or name means: the usual one.

This page is written by `cargo run -p roomrtc-kit --example write_config`; a test keeps it in step.
";

/// The text of the shipped `config.ron`.
pub fn config_file() -> String {
    let mut text = format!("{HEAD}(\n");
    for (n, table) in tables().iter().enumerate() {
        if n > 0 {
            text.push('\n');
        }
        comment(&mut text, "    ", "", &table.about);
        text += &format!("    {}: (\n", table.name);
        for (n, key) in table.keys.iter().enumerate() {
            if n > 0 {
                text.push('\n');
            }
            comment(&mut text, "        ", "Meaning: ", &key.meaning);
            comment(&mut text, "        ", "Type: ", &key.kind);
            comment(&mut text, "        ", "Values: ", &key.values);
            comment(&mut text, "        ", "Default: ", &key.default);
            text += &format!("        {}: {},\n", key.name, key.default);
        }
        text += "    ),\n";
    }
    text + ")\n"
}

/// Adds a comment, broken into lines; further lines are indented to stand below the first's text.
fn comment(text: &mut String, indent: &str, label: &str, words: &str) {
    let mut line = format!("{indent}// {label}");
    let further = format!("{indent}// {:label$}", "", label = label.len());
    let mut empty = true;
    for word in words.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            *text += &format!("{line}\n");
            line.clone_from(&further);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    *text += &format!("{line}\n");
}

/// The text of `docs/configuration.md`.
pub fn manual() -> String {
    let mut text = INTRODUCTION.to_string();
    for Table { name, about, keys } in tables() {
        text += &format!("\n## {name}\n\n{about}\n\n");
        text += "| key | meaning | type | values | default |\n|---|---|---|---|---|\n";
        for key in keys {
            let cells = [&key.meaning, &key.kind, &key.values].map(|cell| cell.replace('|', "\\|"));
            let [meaning, kind, values] = cells;
            let default = key.default;
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "| `{}` | {meaning} | {kind} | {values} | `{default}` |",
                key.name
            );
        }
    }
    text
}
