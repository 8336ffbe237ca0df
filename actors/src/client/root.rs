//! The root of the client: the one place that decides.

use actix::{Actor, Context, Handler};
use roomrtc_kit::{Port, Shutdown, mail};

use crate::call_port::CallReport;
use crate::ui_bridge::{Command, TellUi};

mail! { Command; CallReport; }

/// The root of the client.
pub struct Client {
    _ui: Port<TellUi>,
    shutdown: Port<Shutdown>,
}

impl Client {
    /// A root that tells the front end through `ui`.
    pub fn new(ui: Port<TellUi>, shutdown: Port<Shutdown>) -> Self {
        Client { _ui: ui, shutdown }
    }
}

impl Actor for Client {
    type Context = Context<Self>;
}

impl Handler<Command> for Client {
    type Result = ();

    fn handle(&mut self, command: Command, _: &mut Self::Context) {
        if command == Command::Quit {
            self.shutdown.tell(Shutdown);
        }
    }
}

impl Handler<CallReport> for Client {
    type Result = ();

    fn handle(&mut self, _: CallReport, _: &mut Self::Context) {}
}
