//! Who is who: attachment numbers to names.

use std::collections::HashMap;

use sdp_dal::error::Result;
use sdp_dal::store::{ClientInfo, Store};
use serde::Serialize;

use crate::table::{age, moment};

/// The clients of a store, without ourselves.
pub struct People {
    clients: Vec<ClientInfo>,
    by_number: HashMap<u32, usize>,
}

/// A client in JSON.
#[derive(Debug, Serialize)]
pub struct Person {
    number: u32,
    name: Option<String>,
    pid: Option<u32>,
    host: Option<String>,
    since: Option<String>,
    alive: bool,
}

impl People {
    /// Those who are attached now.
    pub fn of(store: &Store) -> Result<People> {
        let mut clients = store.clients()?;
        clients.retain(|client| client.number != store.number());
        let by_number = clients.iter().enumerate().map(|(at, client)| (client.number, at)).collect();
        Ok(People { clients, by_number })
    }

    /// All of them, by number.
    pub fn all(&self) -> &[ClientInfo] {
        &self.clients
    }

    /// One of them, if still there.
    pub fn find(&self, number: u32) -> Option<&ClientInfo> {
        self.by_number.get(&number).map(|at| &self.clients[*at])
    }

    /// In a column: `gridder[4711]`.
    pub fn short(&self, number: u32) -> String {
        match self.find(number) {
            Some(client) => format!("{}[{}]", client.name, client.pid),
            None => format!("client {number}, closed"),
        }
    }

    /// In a sentence: name, pid in its own container, host name, since.
    pub fn long(&self, number: u32) -> String {
        match self.find(number) {
            Some(client) => format!(
                "{}, pid {} on {}, attached for {}{}",
                client.name,
                client.pid,
                client.host,
                age(client.since),
                if client.alive { "" } else { " (crashed)" }
            ),
            None => format!("client {number}, which has closed or crashed"),
        }
    }

    /// In JSON. A client that closed or crashed is only a number.
    pub fn person(&self, number: u32) -> Person {
        let found = self.find(number);
        Person {
            number,
            name: found.map(|client| client.name.clone()),
            pid: found.map(|client| client.pid),
            host: found.map(|client| client.host.clone()),
            since: found.map(|client| moment(client.since)),
            alive: found.is_some_and(|client| client.alive),
        }
    }

    /// Several in JSON.
    pub fn persons(&self, numbers: &[u32]) -> Vec<Person> {
        numbers.iter().map(|number| self.person(*number)).collect()
    }
}
