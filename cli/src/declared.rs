//! Namespaces with what their declarations say, for `namespaces`, `top`, `wait` and `call`.

use std::collections::HashMap;

use sdp_dal::error::Result;
use sdp_dal::store::{EntryKey, NamespaceInfo, ObjectId, Prefix, Store};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{form_params, CallSchema, Declaration};

/// A prefix in hexadecimal digits.
pub fn prefix_text(prefix: Prefix) -> String {
    prefix.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Declarations; each is read once.
#[derive(Default)]
pub struct Declared(HashMap<EntryKey, Option<Declaration>>);

impl Declared {
    /// What a namespace says of itself; none if that cannot be read (any more).
    pub fn of(&mut self, store: &Store, namespace: &NamespaceInfo) -> Option<&Declaration> {
        let read = || {
            let id = ObjectId::declaration(namespace.prefix);
            let buffer = store.get_key(namespace.key, &id, Timeout::Poll).ok()?;
            Declaration::decode(buffer.data(), buffer.metadata()).ok()
        };
        self.0.entry(namespace.key).or_insert_with(read).as_ref()
    }

    /// Its name.
    pub fn name(&mut self, store: &Store, namespace: &NamespaceInfo) -> String {
        self.of(store, namespace).map_or_else(|| "-".to_owned(), |declaration| declaration.name.clone())
    }

    /// Its functions.
    pub fn functions(&mut self, store: &Store, namespace: &NamespaceInfo) -> Vec<CallSchema> {
        self.of(store, namespace).map_or_else(Vec::new, |declaration| declaration.functions.clone())
    }
}

/// The names of functions; of one with several forms those of the forms.
pub fn names_of_forms(functions: &[CallSchema]) -> Vec<String> {
    let name = |function: &CallSchema| {
        let forms = functions.iter().filter(|other| other.name == function.name);
        function.form_name(&form_params(forms))
    };
    functions.iter().map(name).collect()
}

/// The namespaces whose owners live.
pub fn living(store: &Store) -> Result<Vec<NamespaceInfo>> {
    let mut namespaces = store.namespaces()?;
    namespaces.retain(|namespace| namespace.alive);
    Ok(namespaces)
}
