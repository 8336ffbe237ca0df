//! What a call does without: a device or a screen that keeps failing is left off, and the call goes on.

use actix::Context;

use super::Call;
use crate::call_port::CallNews;
use crate::ui_bridge::{CallEnd, Notice};

/// What has given up, on which child, and why that died last.
pub(super) struct GivenUp {
    pub(super) supervisor: String,
    pub(super) child: String,
    pub(super) last: String,
}

impl Call {
    /// A supervisor has given up. Camera and microphone can be missed: the one that failed is left off until the user
    /// switches it on again, the other goes on. Without anything else there is no call.
    pub(super) fn given_up(&mut self, given_up: GivenUp, ctx: &mut Context<Self>) {
        let GivenUp {
            supervisor,
            child,
            last,
        } = given_up;
        let tree = self.plan.tree.clone();
        if let Some(ours) = tree.screen_ended(&supervisor, true) {
            self.tell(CallNews::Notice(Notice::ScreenGivenUp(last)));
            if ours {
                self.share(None, ctx);
            }
            return self.turn_media();
        }
        let device = if supervisor != tree.capture_name() {
            None
        } else if child == tree.camera_name() {
            Some((&mut self.now.camera, Notice::CameraGivenUp(last.clone())))
        } else {
            Some((&mut self.now.microphone, Notice::MicrophoneGivenUp(last.clone())))
        };
        match device {
            Some((on, notice)) if *on => {
                *on = false;
                self.keep();
                tree.start_capture(self.capturing());
                self.peer_media();
                self.tell(CallNews::Notice(notice));
            }
            // Even switched off it fails, or it is nothing to do without.
            Some(_) | None => self.end(
                CallEnd::Broken {
                    actor: child,
                    reason: last,
                },
                ctx,
            ),
        }
    }
}
