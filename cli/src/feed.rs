//! The events of a store as `events`, `trace` and `top` read them, and who is behind them.

use std::collections::HashMap;
use std::time::Duration;

use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{ClientInfo, Event, EventKind, Store, Subscription};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{object_kind, ObjectKind};

/// Events as they come.
pub struct Feed {
    subscription: Subscription,
    known: HashMap<u32, Option<ClientInfo>>,
}

impl Feed {
    /// Subscribes to the objects whose ID begins with these bytes.
    pub fn open(store: &Store, prefix: &[u8]) -> Result<Feed> {
        Ok(Feed { subscription: store.subscribe(prefix)?, known: HashMap::new() })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.subscription.store()
    }

    /// The next event; none if there is none within this time.
    ///
    /// # Errors
    /// `NotFound` if the store was destroyed.
    pub fn next(&mut self, within: Duration) -> Result<Option<Event>> {
        let timeout = if within.is_zero() { Timeout::Poll } else { Timeout::After(within) };
        match self.subscription.next(timeout) {
            Ok(event) => Ok(Some(event)),
            Err(error) if matches!(error.kind(), Kind::Timeout | Kind::Interrupted) => {
                if within.is_zero() {
                    return Ok(None);
                }
                // We never sleep long enough to do this while we wait.
                self.store().reap_by_turn();
                if self.store().is_gone() {
                    let path = self.store().path().display();
                    let text = format!("the store {path} was destroyed, or its file was removed");
                    return Err(Error::new(Kind::NotFound, text));
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The client with this number, also after it has left if it was asked for before. Numbers are not used again.
    pub fn client(&mut self, number: u32) -> Result<Option<&ClientInfo>> {
        if !self.known.contains_key(&number) {
            self.known.insert(number, None);
            for client in self.store().clients()? {
                self.known.insert(client.number, Some(client));
            }
        }
        Ok(self.known.get(&number).and_then(Option::as_ref))
    }

    /// Its name and process: `gridder[4711]`.
    pub fn who(&mut self, number: u32) -> Result<String> {
        if number == 0 {
            return Ok("-".to_owned());
        }
        Ok(match self.client(number)? {
            Some(client) => format!("{}[{}]", client.name, client.pid),
            None => format!("client {number}"),
        })
    }
}

/// The word for a kind of event.
pub fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Sealed => "sealed",
        EventKind::Deleted => "deleted",
        EventKind::Failed => "failed",
        EventKind::NamespaceAppeared => "namespace_appeared",
        EventKind::NamespaceGone => "namespace_gone",
        EventKind::CallIssued => "call_issued",
        EventKind::CallClaimed => "call_claimed",
        EventKind::CallEnded => "call_ended",
        EventKind::Resync => "resync",
    }
}

/// The function of a call, if the event is of one. A long name is cut as the event's metadata are.
pub fn function(event: &Event) -> Option<String> {
    if object_kind(&event.metadata) != ObjectKind::Call {
        return None;
    }
    let text = std::str::from_utf8(&event.metadata).ok()?;
    let mut pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let name = pairs.find(|(key, _)| *key == "sdp:func")?.1;
    let is_cut = (event.metadata.len() as u64) < event.metadata_size && text.ends_with(name);
    let cut = if is_cut { "..." } else { "" };
    Some(format!("{name}{cut}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp_dal::store::ObjectId;

    #[test]
    fn the_function_comes_from_the_metadata() {
        let event = |metadata: &[u8], size: u64| Event {
            sequence: 1,
            kind: EventKind::CallIssued,
            time: Duration::ZERO,
            id: ObjectId::new([1; 20]),
            actor: 1,
            data_size: 0,
            metadata_size: size,
            metadata: metadata.to_vec(),
        };
        assert_eq!(function(&event(b"sdp:kind=call;sdp:func=add", 26)).as_deref(), Some("add"));
        assert_eq!(function(&event(b"sdp:kind=call;sdp:func=ad", 99)).as_deref(), Some("ad..."));
        assert_eq!(function(&event(b"sdp:kind=call;sdp:func=add;sdp:th", 40)).as_deref(), Some("add"));
        assert_eq!(function(&event(b"sdp:kind=table;sdp:func=add", 27)), None);
        assert_eq!(function(&event(b"", 0)), None);
    }
}
