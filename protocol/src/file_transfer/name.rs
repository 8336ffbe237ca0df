//! What a received file may be called on our disk. The peer chooses the name, so it is made harmless first.

/// File systems take 255 bytes; this leaves room for ` (123)` and `.part`.
const MAX_BYTES: usize = 200;

/// An extension longer than this is no extension.
const MAX_EXTENSION: usize = 16;

/// For names of which nothing is left.
const NAMELESS: &str = "file";

/// Names of devices on Windows, with any extension.
const RESERVED: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
    "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// A name that is one component of a path, visible, printable and of a usable length on every system.
pub fn safe_name(offered: &str) -> String {
    let last = offered.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned: String = last
        .chars()
        .map(|c| if is_harmless(c) { c } else { '_' })
        .collect();
    // A leading dot hides a file; Windows drops dots and spaces at the end.
    let trimmed = cleaned
        .trim_start_matches(['.', ' '])
        .trim_end_matches(['.', ' ']);
    let shortened = shorten(trimmed);
    let stem = shortened.split('.').next().unwrap_or_default().trim_end();
    if shortened.is_empty() {
        NAMELESS.to_owned()
    } else if RESERVED
        .iter()
        .any(|reserved| stem.eq_ignore_ascii_case(reserved))
    {
        format!("_{shortened}")
    } else {
        shortened
    }
}

/// `name`, or with `number` ≥ 2 `stem (number).extension`: for when a file of that name is there already.
pub fn numbered(name: &str, number: u32) -> String {
    if number < 2 {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
        // Marks that turn the direction of text can make `gpj.exe` look like `exe.jpg`.
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Cuts the stem, not the extension.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_BYTES {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let mut end = MAX_BYTES - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", stem[..end].trim_end_matches(['.', ' ']))
}

/// The extension comes with its dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= MAX_EXTENSION => name.split_at(at),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lose_what_could_harm() {
        for (offered, safe) in [
            ("holiday.jpg", "holiday.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\evil.dll", "evil.dll"),
            ("/absolute", "absolute"),
            (".bashrc", "bashrc"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            ("tab\there\n.txt", "tab_here_.txt"),
            ("nul\0byte", "nul_byte"),
            ("con.txt", "_con.txt"),
            ("LPT1", "_LPT1"),
            ("console.txt", "console.txt"),
            ("what?.txt", "what_.txt"),
            ("trailing. . ", "trailing"),
            ("invoice\u{202e}gpj.exe", "invoice_gpj.exe"),
            ("Fotoğraf 日本.png", "Fotoğraf 日本.png"),
        ] {
            assert_eq!(safe_name(offered), safe, "{offered:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe_name(&format!("{}.tar.gz", "ä".repeat(300)));
        assert!(name.len() <= MAX_BYTES && name.ends_with("ä.gz"), "{name}");
    }

    #[test]
    fn a_second_file_of_a_name_gets_a_number() {
        assert_eq!(numbered("photo.jpg", 1), "photo.jpg");
        assert_eq!(numbered("photo.jpg", 2), "photo (2).jpg");
        assert_eq!(numbered("photo", 3), "photo (3)");
    }

    proptest! {
        #[test]
        fn every_name_becomes_one_visible_component(offered in ".{0,300}") {
            let name = safe_name(&offered);
            prop_assert!(!name.is_empty() && name.len() <= MAX_BYTES + 1);
            prop_assert!(!name.starts_with('.') && !name.contains(['/', '\\', '\0']));
            prop_assert_eq!(std::path::Path::new(&name).components().count(), 1);
            prop_assert_eq!(safe_name(&name), name);
        }
    }
}
