//! Writes `config.ron` and `docs/configuration.md` from the key tables. Run it at the root of the sources after
//! changing a key.

use std::fs;
use std::io;
use std::path::Path;

use roomrtc_kit::config;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::write(root.join("config.ron"), config::config_file())?;
    fs::create_dir_all(root.join("docs"))?;
    fs::write(root.join("docs/configuration.md"), config::manual())
}
