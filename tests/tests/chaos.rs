//! A call goes on while its parts die.

use std::time::Duration;

use anyhow::Result;
use roomrtc_tests::chaos;

/// Unless `ROOMRTC_SEED` says otherwise.
const SEED: u64 = 20_261_126;

#[test]
fn a_call_goes_on_and_its_files_arrive_while_a_part_dies_every_half_second() -> Result<()> {
    let seed = std::env::var("ROOMRTC_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(SEED);
    println!("ROOMRTC_SEED={seed}");
    let outcome = chaos::run(Duration::from_secs(30), seed)?;
    println!("{outcome:?}");
    Ok(())
}
