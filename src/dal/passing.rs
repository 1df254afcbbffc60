//! Passing references on: to another copy of the library in this process, or to another process.
//!
//! A reference is exported as a text and imported from it. What is imported owns the same life of the object by itself: it
//! wants it as the client that imports. An object that does not exist yet also needs the call that is to make it, and that
//! call its inputs, and so on: the text names all calls on which the object depends, and the importer wants them and what
//! they take as inputs. From then on neither needs the other.
//!
//! A text claims nothing: the reference that was exported must be kept until the import is done.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Create, EntryKey, ObjectId, ObjectState, Store, StoreOptions, Want};
use crate::timeout::Timeout;
use crate::wire::{decode_call, Direction, ParamType, Part};

use super::ownership::{IssuedCall, Namespace, Ref};

/// How every text begins; the number is that of its format. The second is for parts.
const START: &str = "sdp-dal-ref:1:";
const START_OF_PART: &str = "sdp-dal-ref:2:";

/// Most calls that one text names.
const MOST_CALLS: usize = 1000;

/// One life of an object, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    id: ObjectId,
    key: EntryKey,
}

/// What a text says: `sdp-dal-ref:1:<store>:<object>[,<call>…]:<path>`, where an object is `<ID>.<entry>.<generation>`. The text
/// of a part is `sdp-dal-ref:2:<store>:<object>[,<call>…]:<bytes>:<part>:<path>`, with the length of the part's text before it.
#[derive(Debug, PartialEq, Eq)]
struct Exported {
    /// Which store lies at the path: another one may by now.
    identity: u64,
    object: Named,
    /// The calls on which it depends; one that is to make it comes first.
    calls: Vec<Named>,
    part: Option<Part>,
    path: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.id, self.key.index, self.key.generation)
    }
}

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Named> {
        let wrong = || {
            Error::invalid(format!(
                "'{text}' does not name an object: expected an ID, an entry and a generation"
            ))
        };
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or_else(wrong);
        Ok(Named {
            id: part()?.parse()?,
            key: EntryKey {
                index: part()?.parse().map_err(|_| wrong())?,
                generation: part()?.parse().map_err(|_| wrong())?,
            },
        })
    }
}

impl std::fmt::Display for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = if self.part.is_some() { START_OF_PART } else { START };
        write!(f, "{start}{:016x}:{}", self.identity, self.object)?;
        self.calls.iter().try_for_each(|call| write!(f, ",{call}"))?;
        if let Some(part) = &self.part {
            let part = part.to_string();
            write!(f, ":{}:{part}", part.len())?;
        }
        f.write_char(':')?;
        f.write_str(&self.path)
    }
}

impl FromStr for Exported {
    type Err = Error;

    fn from_str(text: &str) -> Result<Exported> {
        let wrong = |what: &str| Error::invalid(format!("the text is not an exported reference: {what}"));
        let of_part = text.strip_prefix(START_OF_PART);
        let rest = of_part.or_else(|| text.strip_prefix(START));
        let rest =
            rest.ok_or_else(|| wrong("it does not begin with 'sdp-dal-ref:1:' or 'sdp-dal-ref:2:'"))?;
        let cut_off = || wrong("it was cut off");
        let (identity, rest) = rest.split_once(':').ok_or_else(cut_off)?;
        let (names, mut path) = rest.split_once(':').ok_or_else(cut_off)?;
        let mut part = None;
        if of_part.is_some() {
            let (len, rest) = path.split_once(':').ok_or_else(cut_off)?;
            let len = len.parse::<usize>().map_err(|_| wrong("the length of the part is missing"))?;
            let behind = rest.get(len..).ok_or_else(cut_off)?;
            part = Some(rest[..len].parse()?);
            path = behind.strip_prefix(':').ok_or_else(cut_off)?;
        }
        let identity =
            u64::from_str_radix(identity, 16).map_err(|_| wrong("the identity of its store is missing"))?;
        let mut names = names.split(',').map(Named::from_str);
        let object = names.next().ok_or_else(|| wrong("it does not name an object"))??;
        Ok(Exported { identity, object, calls: names.collect::<Result<_>>()?, part, path: path.to_owned() })
    }
}

impl Ref {
    /// Returns a text from which [`Namespace::import`] creates an owning reference to the same object, in another
    /// process or in another copy of this library. This reference must be kept until then. For an object that does not
    /// exist yet, the text of a borrowed reference does not contain the call that creates it.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist and is not the output of a call. `ObjectDeleted`. `LimitReached` if it
    /// depends on too many calls that have not ended.
    pub fn export(&self) -> Result<String> {
        let id = self.id();
        let state = self.state()?;
        let key = self.life_key().ok_or_else(|| {
            let text = "does not exist yet and is not the output of a call: export it when it exists";
            Error::new(Kind::NotFound, format!("object {id} {text}"))
        })?;
        if state == ObjectState::Absent {
            return Err(self.deleted());
        }
        let path = self.store().path().to_str().map(str::to_owned);
        Ok(Exported {
            identity: self.store().identity(),
            object: Named { id, key },
            calls: self.all_calls()?,
            part: self.as_part().cloned(),
            path: path.ok_or_else(|| Error::invalid("the path of the store is not UTF-8"))?,
        }
        .to_string())
    }

    /// The calls on which the object depends, those first that are to make it.
    fn all_calls(&self) -> Result<Vec<Named>> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut open = std::collections::VecDeque::from([self.clone()]);
        while let Some(reference) = open.pop_front() {
            if reference.is_settled() {
                continue;
            }
            for call in reference.calls() {
                let Some((id, key)) = call.name().filter(|(id, _)| seen.insert(*id)) else { continue };
                if found.len() == MOST_CALLS {
                    return Err(Error::new(
                        Kind::LimitReached,
                        format!(
                            "object {} depends on more than {MOST_CALLS} calls that have not ended: wait \
                             until some have",
                            self.id()
                        ),
                    ));
                }
                found.push(Named { id, key });
                open.extend(call.inputs().into_iter().flat_map(|held| held.refs.iter().cloned()));
            }
        }
        Ok(found)
    }
}

/// Imports a reference, and opens its store, which must exist.
///
/// # Errors
/// Those of [`Namespace::import`], and of opening a store.
pub fn import(text: &str) -> Result<Ref> {
    let exported: Exported = text.parse()?;
    let options = StoreOptions { create: Create::Never, ..StoreOptions::default() };
    let store = Store::open(Path::new(&exported.path), &options)?;
    Namespace::new(&store, None).import_parsed(&exported)
}

impl Namespace {
    /// Creates an owning reference to the object whose reference was exported as `text`. The store must be the same
    /// one, but may have another path here.
    ///
    /// # Errors
    /// `InvalidArgument` if the text is not an exported reference, or is one of another store. `ObjectDeleted` if the
    /// object was deleted, or the store was replaced by another one.
    pub fn import(&self, text: &str) -> Result<Ref> {
        self.import_parsed(&text.parse()?)
    }

    fn import_parsed(&self, exported: &Exported) -> Result<Ref> {
        let (store, object) = (self.store(), exported.object);
        if store.identity() != exported.identity {
            let (theirs, ours) = (Path::new(&exported.path), store.path());
            if theirs == ours {
                let text = format!(
                    "object {} was in another store with the path {}: in an earlier store, or in one on \
                     another machine. Send the value there, not the reference",
                    object.id,
                    ours.display()
                );
                return Err(Error::new(Kind::ObjectDeleted, text));
            }
            return Err(Error::invalid(format!(
                "object {} is in the store {}, not in {}",
                object.id,
                theirs.display(),
                ours.display()
            )));
        }
        let want = store.want_life(object.key, &object.id)?;
        let calls = if ended(store, object)? { Vec::new() } else { claim_calls(store, exported)? };
        let whole = self.adopt(want, calls);
        match &exported.part {
            None => Ok(whole),
            Some(part) => whole.part_of(part),
        }
    }
}

fn ended(store: &Store, object: Named) -> Result<bool> {
    let state = store.look_key(object.key, &object.id)?;
    Ok(matches!(state, ObjectState::Sealed { .. } | ObjectState::Failed { .. }))
}

/// The calls that have not been let go yet: whoever exported the reference lets a call go when its outputs are there.
fn claim_calls(store: &Store, exported: &Exported) -> Result<Vec<Arc<IssuedCall>>> {
    let mut calls = Vec::new();
    for (nth, call) in exported.calls.iter().enumerate() {
        match store.want_life(call.key, &call.id) {
            Ok(want) => calls.push(Arc::new(claim_inputs(store, want)?)),
            Err(error) if error.kind() != Kind::ObjectDeleted => return Err(error),
            Err(_) if nth == 0 && !ended(store, exported.object)? => {
                let text = "was cancelled, because its reference was dropped before it was imported";
                let text = format!("the call that was to create object {} {text}", exported.object.id);
                return Err(Error::new(Kind::ObjectDeleted, text));
            }
            Err(_) => {}
        }
    }
    Ok(calls)
}

/// A call with claims on what it takes. What is not there is not claimed: it is gone because the call has taken it, or comes
/// from somebody else.
fn claim_inputs(store: &Store, call: Want) -> Result<IssuedCall> {
    let buffer = store.get_key(call.key(), &call.id(), Timeout::Poll)?;
    let decoded = decode_call(buffer.data(), buffer.metadata(), &[])?;
    drop(buffer);
    let mut seen = HashSet::new();
    let mut claims = Vec::new();
    for (param, cell) in decoded.rows.iter().flat_map(|row| decoded.schema.params.iter().zip(row)) {
        let waits = !matches!(param.ty, ParamType::Scalar(_) | ParamType::Id);
        let Some(id) = cell.object() else { continue };
        if param.direction == Direction::In && waits && seen.insert(id) {
            match store.want(&id) {
                Ok(want) => claims.push(want),
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    let declaration = store.info(&ObjectId::declaration(call.id().prefix()));
    let processor = declaration.map_or(0, |declaration| declaration.creator);
    Ok(IssuedCall::new(call.id(), processor, call, claims, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gives_back_what_it_was_made_of() {
        let named = |byte, generation| Named {
            id: ObjectId::new([byte; 20]),
            key: EntryKey { index: 7, generation },
        };
        let exported = Exported {
            identity: 0xab,
            object: named(1, 0),
            calls: vec![named(2, 1 << 43), named(3, 5)],
            part: None,
            path: "/dev/shm/a:b,c store".to_owned(),
        };
        let text = exported.to_string();
        assert_eq!(text.parse::<Exported>().unwrap(), exported);
        let part = Exported { part: Some("@64 int8 [2] (1) {\"a:b é\"}[::2]".parse().unwrap()), ..exported };
        assert_eq!(part.to_string().parse::<Exported>().unwrap(), part);
        let alone = Exported { calls: Vec::new(), part: None, ..part };
        assert_eq!(alone.to_string().parse::<Exported>().unwrap(), alone);
        for end in 0..text.find(":/dev").unwrap() {
            let error = text[..end].parse::<Exported>().unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument, "{end}: {error}");
        }
    }
}
