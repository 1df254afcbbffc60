//! The declared namespaces of a store, with what their declarations say.

use crate::error::{Kind, Result};
use crate::store::{NamespaceInfo, ObjectId, Prefix, Store};
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Declaration, Metadata};

/// A declared namespace.
#[derive(Clone, Debug)]
pub struct DeclaredNamespace {
    /// Its prefix.
    pub prefix: Prefix,
    /// Its name. Empty if its declaration cannot be read, and then the following fields are empty too.
    pub name: String,
    /// The process ID of the owner, in its own container.
    pub pid: u32,
    /// The command line of the owner.
    pub argv: Vec<String>,
    /// The functions that it offers.
    pub functions: Vec<CallSchema>,
    /// All metadata of its declaration, including those of the library.
    pub metadata: Metadata,
    /// The number of the client that declared it.
    pub owner: u32,
    /// Whether the owner is running and has not closed it.
    pub alive: bool,
    /// Number of unfinished calls in its queue.
    pub queued: u32,
}

/// Lists the declared namespaces of a store, sorted by prefix. A damaged declaration is listed without its contents.
pub fn namespaces(store: &Store) -> Result<Vec<DeclaredNamespace>> {
    let mut found = Vec::new();
    for namespace in store.namespaces()? {
        found.extend(read(store, &namespace)?.map(|declaration| told(&namespace, declaration)));
    }
    Ok(found)
}

/// What a declaration says, None if it cannot be understood. None at all if it went in the meantime.
pub(super) fn read(store: &Store, namespace: &NamespaceInfo) -> Result<Option<Option<Declaration>>> {
    let id = ObjectId::declaration(namespace.prefix);
    match store.get_key(namespace.key, &id, Timeout::Poll) {
        Ok(buffer) => Ok(Some(Declaration::decode(buffer.data(), buffer.metadata()).ok())),
        Err(error) if matches!(error.kind(), Kind::ObjectDeleted | Kind::NotFound | Kind::Timeout) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn told(namespace: &NamespaceInfo, declaration: Option<Declaration>) -> DeclaredNamespace {
    let metadata = declaration.as_ref().map(|declaration| declaration.all_metadata(namespace.prefix));
    let (name, pid, argv, functions) = match declaration {
        Some(declaration) => (declaration.name, declaration.pid, declaration.argv, declaration.functions),
        None => Default::default(),
    };
    DeclaredNamespace {
        prefix: namespace.prefix,
        name,
        pid,
        argv,
        functions,
        metadata: metadata.unwrap_or_default(),
        owner: namespace.owner,
        alive: namespace.alive,
        queued: namespace.queued,
    }
}
