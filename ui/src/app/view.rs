//! The window as a whole: the screen, what pushes it aside, what lies above it.

use iced::widget::{column, container, opaque, stack};
use iced::{Element, Fill};

use super::{App, Message, Overlay, Screen};
use crate::overlay::{banner, shortcuts};
use crate::screen::{call, lobby, settings};
use crate::theme::{dim, space};
use crate::{recent, widget};

impl App {
    /// What is on the screen.
    pub fn view(&self) -> Element<'_, Message> {
        let screen = self.screen();
        let in_call = matches!(self.screen, Screen::Call(_));
        let banner = match self.screen {
            Screen::Login(_) => None,
            Screen::Lobby | Screen::Settings(_) | Screen::Outgoing(_) | Screen::Call(_) => {
                banner::view(&self.session.connection, in_call)
            }
        };
        let incoming = self
            .incoming
            .as_ref()
            .map(|incoming| incoming.view(self.size.width).map(Message::Incoming));
        let window = column![banner, incoming, container(screen).height(Fill)];
        // clear of the bar of a call
        let above = if in_call {
            dim::CONTROL * 2.0 + space::XL
        } else {
            space::XL
        };
        let toasts = (!self.toasts.is_empty()).then(|| self.toasts.view(above).map(Message::Toast));
        let window: Element<'_, Message> = stack![window, toasts].width(Fill).height(Fill).into();
        match &self.overlay {
            None => window,
            Some(Overlay::Shortcuts) => widget::modal(window, shortcuts::view().map(Message::Shortcuts)),
            Some(Overlay::Actors(panel)) => {
                let panel = container(panel.view(self.size.width).map(Message::Actors)).padding(space::XL);
                stack![window, opaque(panel)].into()
            }
            Some(Overlay::Path(prompt)) => widget::modal(window, prompt.view().map(Message::Path)),
        }
    }

    fn screen(&self) -> Element<'_, Message> {
        match &self.screen {
            Screen::Login(login) => login.view(self.size.width).map(Message::Login),
            Screen::Lobby => self
                .lobby
                .view(lobby::Looks {
                    session: &self.session,
                    links: &self.links,
                    local: &self.bridge.local,
                    preview: self.saved.preview,
                    devices: &self.devices,
                    media: &self.media,
                    recent: &self.saved.recent,
                    mirror: self.mirror(),
                    ringing: self.incoming.is_some(),
                    width: self.size.width,
                    height: self.size.height,
                    scale: self.pixels(),
                    now: recent::unix_now(),
                })
                .map(Message::Lobby),
            Screen::Settings(screen) => screen
                .view(settings::Looks {
                    saved: &self.saved,
                    appearance: self.appearance(),
                    devices: &self.devices,
                    given: &self.given,
                    downloads: self.downloads(),
                    session: &self.session,
                })
                .map(Message::Settings),
            Screen::Outgoing(outgoing) => outgoing
                .view(&self.bridge.local, self.mirror(), self.pixels())
                .map(Message::Outgoing),
            Screen::Call(call) => call
                .view(call::Looks {
                    local: &self.bridge.local,
                    remote: &self.bridge.remote,
                    screen: &self.bridge.screen,
                    mirror: self.mirror(),
                    downloads: self.downloads(),
                    width: self.size.width,
                    scale: self.pixels(),
                    now: self.now,
                })
                .map(Message::Call),
        }
    }
}
