//! Finding the processors that offer what a caller expects.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{id_text, EntryKey, NamespaceInfo, Prefix, Store};
use crate::sync::atomic::Mutex;
use crate::wire::{CallSchema, Declaration};

use super::flight::Flights;
use super::namespaces;

/// A processor that a caller found.
#[derive(Clone, Debug)]
pub struct FoundProcessor {
    /// Its name, as it set it.
    pub name: String,
    /// The prefix of its namespace.
    pub prefix: Prefix,
}

/// A compatible processor, found in one life of its declaration.
pub(super) struct Target {
    pub(super) prefix: Prefix,
    pub(super) declaration: EntryKey,
    /// Attachment that runs it.
    pub(super) owner: u32,
    pub(super) name: String,
    pub(super) flights: Flights,
}

impl Target {
    /// What the caller shows of it.
    pub(super) fn found(&self) -> FoundProcessor {
        FoundProcessor { name: self.name.clone(), prefix: self.prefix }
    }

    /// Name and prefix, for messages.
    pub(super) fn title(&self) -> String {
        title(&self.name, self.prefix)
    }
}

fn title(name: &str, prefix: Prefix) -> String {
    format!("'{name}' at prefix {}", id_text(&prefix))
}

/// What a search found.
pub(super) struct Found {
    /// By prefix.
    pub(super) targets: Vec<Arc<Target>>,
    /// Processors that offer functions of these names, and why they do not fit.
    pub(super) near: Vec<String>,
}

/// The declarations read so far: one never changes during its life.
#[derive(Default)]
pub(super) struct Declarations {
    read: Mutex<HashMap<EntryKey, Arc<Declaration>>>,
}

impl Declarations {
    /// The living processors whose prefix starts with `start` and whose functions fit all `schemas`; those in
    /// `known` stay what they are.
    pub(super) fn search(
        &self,
        store: &Store,
        start: &[u8],
        schemas: &[Arc<CallSchema>],
        known: &[Arc<Target>],
    ) -> Result<Found> {
        let mut living = store.namespaces()?;
        living.retain(|namespace| namespace.alive && namespace.prefix.starts_with(start));
        living.sort_unstable_by_key(|namespace| namespace.prefix);
        self.read.lock().retain(|key, _| living.iter().any(|namespace| namespace.key == *key));
        let mut found = Found { targets: Vec::new(), near: Vec::new() };
        for namespace in living {
            if let Some(target) = known.iter().find(|target| target.declaration == namespace.key) {
                found.targets.push(target.clone());
            } else if let Some(declaration) = self.read(store, &namespace)? {
                judge(&mut found, &namespace, &declaration, schemas);
            }
        }
        Ok(found)
    }

    /// None if it went in the meantime or cannot be understood.
    fn read(&self, store: &Store, namespace: &NamespaceInfo) -> Result<Option<Arc<Declaration>>> {
        if let Some(declaration) = self.read.lock().get(&namespace.key) {
            return Ok(Some(declaration.clone()));
        }
        // Somebody else's damaged declaration is no reason not to find the others.
        let Some(declaration) = namespaces::read(store, namespace)?.flatten() else { return Ok(None) };
        let declaration = Arc::new(declaration);
        self.read.lock().insert(namespace.key, declaration.clone());
        Ok(Some(declaration))
    }
}

fn judge(
    found: &mut Found,
    namespace: &NamespaceInfo,
    declaration: &Declaration,
    schemas: &[Arc<CallSchema>],
) {
    let mut mismatches = Vec::new();
    let mut offers_any = false;
    for schema in schemas {
        let mut forms =
            declaration.functions.iter().filter(|function| function.name == schema.name).peekable();
        if forms.peek().is_none() {
            mismatches.push(format!("{}: not offered", schema.name));
            continue;
        }
        offers_any = true;
        let reasons: Vec<Vec<String>> = forms.map(|form| schema.mismatches(form)).collect();
        if reasons.iter().any(Vec::is_empty) {
            continue;
        }
        let several = reasons.len() > 1;
        for (nth, reason) in
            reasons.into_iter().enumerate().flat_map(|(nth, all)| all.into_iter().map(move |one| (nth, one)))
        {
            let form = if several { format!("form {}: ", nth + 1) } else { String::new() };
            mismatches.push(format!("{}: {form}{reason}", schema.name));
        }
    }
    if mismatches.is_empty() && !declaration.functions.is_empty() {
        found.targets.push(Arc::new(Target {
            prefix: namespace.prefix,
            declaration: namespace.key,
            owner: namespace.owner,
            name: declaration.name.clone(),
            flights: Flights::default(),
        }));
    } else if offers_any {
        found.near.push(format!(
            "{} is not compatible ({})",
            title(&declaration.name, namespace.prefix),
            mismatches.join("; ")
        ));
    }
}

/// NO_PROCESSOR: how many of how many, and who came near.
pub(super) fn too_few(schemas: &[Arc<CallSchema>], start: &[u8], minimum: usize, found: &Found) -> Error {
    let names: Vec<_> = schemas.iter().map(|schema| schema.name.as_str()).collect();
    let place =
        if start.is_empty() { String::new() } else { format!(" with a prefix {}…", id_text(start)) };
    let mut text = format!(
        "found {} of {minimum} processors for {}{place}: start one, or wait longer for it",
        found.targets.len(),
        names.join(", ")
    );
    for near in &found.near {
        text.push_str(". ");
        text.push_str(near);
    }
    Error::new(Kind::NoProcessor, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_says_how_many_and_who_came_near() {
        let schema = Arc::new(CallSchema::new("grid", Vec::new()));
        let near = vec![format!("{} does not fit (grid: not offered)", title("Old", [0, 0, 0, 7]))];
        let error = too_few(&[schema], &[1, 2], 2, &Found { targets: Vec::new(), near });
        assert_eq!(error.kind(), Kind::NoProcessor);
        assert!(
            error.message().starts_with("found 0 of 2 processors for grid with a prefix 0102…:"),
            "{error}"
        );
        assert!(
            error.message().ends_with("'Old' at prefix 00000007 does not fit (grid: not offered)"),
            "{error}"
        );
    }
}
