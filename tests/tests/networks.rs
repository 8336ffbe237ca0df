//! Calls across networks: machines of their own, joined by virtual cables.

use anyhow::Result;
use roomrtc_tests::interface_switch;

#[test]
fn a_call_goes_on_over_another_interface_when_the_callers_is_pulled_out() -> Result<()> {
    println!("{:?}", interface_switch::run(true)?);
    Ok(())
}

#[test]
fn a_call_goes_on_over_another_interface_when_the_callees_is_pulled_out() -> Result<()> {
    println!("{:?}", interface_switch::run(false)?);
    Ok(())
}
