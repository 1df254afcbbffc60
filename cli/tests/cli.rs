//! `sdp-dal` as its users run it: processes of its own, beside this one, which uses the library.

mod common;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sdp_dal::error::Kind;
use sdp_dal::store::{Buffer, Create, CreateSpec, DeleteMode, ObjectId, Store, Want};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{
    tensor_header, CallEncoder, CallSchema, Cell, Declaration, Elem, Layout, Order, TABLE_METADATA,
};
use serde_json::Value;

use common::{command, id, put, run, table, until, Ended, Place, Running, WATCHDOG};

/// `sdp-dal store`, running.
struct Server {
    process: Child,
    said: Vec<String>,
}

impl Server {
    /// Starts it and waits until it is ready.
    fn start(place: &Place, more: &[&str]) -> Server {
        let mut process = command()
            .args([OsStr::new("store"), place.0.as_os_str()])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut reader = BufReader::new(process.stdout.take().unwrap());
        loop {
            let mut line = String::new();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0, "ended after {said:?}");
            said.push(line.trim_end().to_owned());
            if line.starts_with("Ready") {
                break;
            }
        }
        process.stdout = Some(reader.into_inner());
        Server { process, said }
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < WATCHDOG, "`sdp-dal store` does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One object of each kind; held as long as the wants are.
fn one_of_each(store: &Store) -> Vec<Want> {
    let names = ["row".to_owned(), "chan".to_owned()];
    let layout = Layout::contiguous(Elem::Complex128, &[3, 4], Order::C, &names).unwrap();
    let header = tensor_header(&layout).unwrap();
    let mut tensor = header.bytes.clone();
    tensor.resize(header.bytes.len() + usize::try_from(header.body_size).unwrap(), 7);
    let schema = CallSchema::parse("add(x: int64, y: float64[i]) -> (z: float64[i])").unwrap();
    let encoder = CallEncoder::new(schema.clone().into()).unwrap();
    let row = vec![Cell::Int(5), Cell::Id(id([1; 4], 1)), Cell::Id(id([1; 4], 2))];
    let call = encoder.encode(&[row]).unwrap();
    let declaration = Declaration {
        name: "Adder\x1b[2J".to_owned(),
        pid: 4711,
        argv: vec!["adder".to_owned(), "-v".to_owned()],
        functions: vec![schema],
        metadata: Default::default(),
    };
    let (data, metadata) = declaration.encode([0xd0; 4]).unwrap();
    vec![
        put(store, &id([0xa0; 4], 1), &tensor, &header.metadata),
        put(store, &id([0xb0; 4], 1), &table(&[1, 2, 3]), TABLE_METADATA),
        put(store, &id([0xc0; 4], 1), &call, encoder.metadata()),
        put(store, &ObjectId::declaration([0xd0; 4]), &data, &metadata),
        put(store, &id([0xe0; 4], 1), b"\x01\x02\xff", b"anything"),
    ]
}

/// The object in what `ls` wrote.
fn found<'a>(list: &'a Value, id: &ObjectId) -> &'a Value {
    let text = id.to_string();
    list.as_array().unwrap().iter().find(|object| object["id"] == text.as_str()).unwrap()
}

#[test]
fn a_served_store_lives_until_the_signal() {
    for (signal, linked) in [("TERM", true), ("INT", false), ("HUP", false)] {
        let name = format!("signal-{signal}");
        let place = if linked { Place::linked(&name) } else { Place::new(&name) };
        let mut server = Server::start(&place, &["-m", "3M"]);
        assert!(
            server.said.iter().any(|line| line.contains("up to 3.0 MiB (3145728 B)")),
            "{:?}",
            server.said
        );
        assert_eq!(place.json("stat", &[])["size"], 3 << 20);
        let file = std::fs::read_link(&place.0).unwrap_or_else(|_| place.0.clone());
        assert!(file.exists());
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0));
        assert!(!file.exists() && std::fs::symlink_metadata(&place.0).is_err());
    }
}

#[test]
fn a_store_is_named_where_all_commands_name_it_or_as_plasma_store_named_it() {
    let place = Place::new("named");
    let path = place.0.to_str().unwrap();
    for words in [
        ["store", path, "-m", "3M"],
        ["store", path, "--size", "3M"],
        ["store", "--size=3M", "-s", path],
        ["store", "--memory=3M", "--store", path],
    ] {
        let server = Running::start(&words);
        while !server.line().starts_with("Ready") {}
        assert_eq!(place.json("stat", &[])["size"], 3 << 20, "{words:?}");
        server.signal("TERM");
        assert_eq!(server.end().code, Some(0));
    }
    let twice = run(&["store", path, "-s", path]);
    assert_eq!((twice.code, twice.err.contains("cannot be used with")), (Some(2), true), "{}", twice.err);
    // The error says where the path belongs.
    for command in ["stat", "check", "trim", "destroy"] {
        let wrong = run(&[command, "-s", path]);
        let usage = format!("Usage: sdp-dal {command} [OPTIONS] [PATH]");
        assert_eq!((wrong.code, wrong.err.contains(&usage)), (Some(2), true), "{}", wrong.err);
    }
    let unnamed = run(&["store"]);
    assert!(unnamed.err.contains("write its path after the command"), "{}", unnamed.err);
}

#[test]
fn a_store_outlives_its_server_and_is_adopted() {
    let place = Place::new("adopt");
    let mut server = Server::start(&place, &["-m", "3M", "--max-clients", "64"]);
    let store = place.open(Create::Never).unwrap();
    let _want = put(&store, &id([1; 4], 1), b"abc", b"");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));

    // Nothing but what was asked for is adopted.
    for (asked, named) in [(&["-m", "5M"][..], "5242880 bytes"), (&["-m", "3M", "--evict"], "with eviction")]
    {
        let refused = place.refuses_to_serve(asked);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(
            refused.err.contains("already exists with 3145728 bytes, without eviction"),
            "{}",
            refused.err
        );
        assert!(refused.err.contains(named), "{}", refused.err);
    }
    let mut second = Server::start(&place, &["-m", "3M"]);
    assert!(second.said[0].contains("Adopted"), "{:?}", second.said);
    assert_eq!(place.json("stat", &[])["size"], 3 << 20);
    assert_eq!(place.json("ls", &[]).as_array().unwrap().len(), 1);
    second.process.kill().unwrap();
    assert_eq!(second.wait().code(), None);

    // Killed, it leaves the store to the client that is there.
    assert_eq!(store.get(&id([1; 4], 1), Timeout::Poll).unwrap().data(), b"abc");
    assert_eq!(place.json("stat", &[])["clients"], 1);
    drop(_want);
    drop(store);
    assert!(!place.0.exists());
}

#[test]
fn a_killed_server_leaves_a_store_that_the_next_one_replaces() {
    let place = Place::linked("killed");
    let mut server = Server::start(&place, &["-m", "3M"]);
    let file = std::fs::read_link(&place.0).unwrap_or_else(|_| place.0.clone());
    let store = place.open(Create::Never).unwrap();
    drop(put(&store, &id([1; 4], 1), b"abc", b""));
    drop(store);
    server.process.kill().unwrap();
    server.wait();
    assert!(file.exists());
    // Looking finds nobody's store, and cleans up.
    let looked = place.run("ls", &[]);
    assert_eq!(looked.code, Some(2));
    assert!(looked.err.contains("there is no store"), "{}", looked.err);
    assert!(!file.exists());
    let mut again = Server::start(&place, &["-m", "4M"]);
    assert_eq!(place.json("stat", &[])["size"], 4 << 20);
    again.signal("TERM");
    assert_eq!(again.wait().code(), Some(0));
}

#[test]
fn the_server_reaps_while_nobody_waits() {
    let place = Place::new("reap");
    let mut server = Server::start(&place, &["-m", "3M"]);
    // Another `store` is a client that we can kill.
    let mut client = Server::start(&place, &[]);
    client.process.kill().unwrap();
    client.wait();
    // Looking at the store would reap, too: the message must be the server's.
    let mut line = String::new();
    BufReader::new(server.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "Reclaimed what 1 crashed client held\n");
}

#[test]
fn reserving_takes_the_memory_at_once() {
    let place = Place::new("reserve");
    let _server = Server::start(&place, &["-m", "4M", "--reserve"]);
    let stat = place.json("stat", &[]);
    assert!(stat["reserved"].as_u64().unwrap() >= 4 << 20);
    assert_eq!(stat["recoveries"], 0);
}

#[test]
fn the_server_ends_when_its_store_is_destroyed() {
    let place = Place::linked("destroyed");
    let mut server = Server::start(&place, &["-m", "3M"]);
    let file = std::fs::read_link(&place.0).unwrap_or_else(|_| place.0.clone());
    let held = {
        let store = place.open(Create::Never).unwrap();
        drop(put(&store, &id([1; 4], 9), b"gone", b""));
        let _want = put(&store, &id([1; 4], 1), b"abc", b"");
        store.get(&id([1; 4], 1), Timeout::Poll).unwrap()
    };
    let destroyed = place.run("destroy", &[]);
    assert_eq!((destroyed.code, destroyed.err.as_str()), (Some(0), ""));
    assert!(!file.exists() && std::fs::symlink_metadata(&place.0).is_err());
    assert_eq!(server.wait().code(), Some(2));
    // Who is attached keeps what it holds.
    assert_eq!(held.data(), b"abc");
    assert!(held.store().is_gone());
    assert_eq!(place.open(Create::Never).err().unwrap().kind(), Kind::NotFound);
    // A new store at the path is another one, and the old one's end does not touch it.
    let mut new = Server::start(&place, &["-m", "3M"]);
    drop(held);
    assert_eq!(place.json("stat", &[])["objects"], 0);
    new.signal("TERM");
    assert_eq!(new.wait().code(), Some(0));
}

#[test]
fn ls_names_every_kind() {
    let place = Place::new("ls");
    let store = place.make();
    let wants = one_of_each(&store);
    let held = store.get(&wants[4].id(), Timeout::Poll).unwrap();
    let writing =
        store.create(&id([0xf0; 4], 1), &CreateSpec { data_size: 9, ..CreateSpec::default() }).unwrap();
    let list = place.json("ls", &[]);
    assert_eq!(list.as_array().unwrap().len(), 6);
    for (start, kind, what) in [
        (0xa0, "tensor", "complex128[row=3, chan=4]"),
        (0xb0, "table", "3 rows of {n: int64}"),
        (0xc0, "call", "add()"),
        (0xd0, "declaration", "Adder\u{1b}[2J: 1 function"),
        (0xe0, "raw", ""),
    ] {
        let object = list.as_array().unwrap().iter().find(|object| object["kind"] == kind).unwrap();
        assert!(object["id"].as_str().unwrap().starts_with(&format!("{start:02x}")));
        assert_eq!(object["what"], what);
        assert_eq!(object["state"], "sealed");
        assert_eq!(object["owned_by"], serde_json::json!([store.number()]));
    }
    let creating = found(&list, &id([0xf0; 4], 1));
    assert_eq!((&creating["kind"], &creating["state"]), (&Value::Null, &"creating".into()));
    let raw = found(&list, &wants[4].id());
    assert_eq!((raw["data_size"].as_u64(), raw["metadata_size"].as_u64()), (Some(3), Some(8)));
    assert_eq!(raw["held_by"], serde_json::json!([store.number()]));
    // Doomed: deleted, and held by somebody.
    store.delete(&wants[4].id(), DeleteMode::Now).unwrap();
    assert_eq!(found(&place.json("ls", &[]), &wants[4].id())["state"], "doomed");
    drop((held, writing));
    // Beginnings may have an odd number of digits; no colour and no control characters in a pipe.
    assert_eq!(place.json("ls", &["d"]).as_array().unwrap().len(), 1);
    assert_eq!(place.json("ls", &["c0C"]).as_array().unwrap().len(), 1);
    assert_eq!(place.json("ls", &["0"]).as_array().unwrap().len(), 0);
    let table = place.run("ls", &[]);
    assert_eq!(table.code, Some(0));
    assert!(table.out.lines().next().unwrap().starts_with("ID "), "{}", table.out);
    assert!(table.out.contains(&wants[0].id().to_string()) && table.out.contains("gridder["));
    assert!(!table.out.contains('\x1b'), "{}", table.out);
}

#[test]
fn show_tells_what_is_inside() {
    let place = Place::new("show");
    let store = place.make();
    let _wants = one_of_each(&store);
    let tensor = place.json("show", &["a"]);
    assert_eq!(tensor["contents"]["shape"], serde_json::json!([3, 4]));
    assert_eq!(tensor["contents"]["dims"], serde_json::json!(["row", "chan"]));
    assert_eq!(tensor["contents"]["elem"], "complex128");
    assert_eq!(tensor["metadata"], "sdp:kind=tensor;sdp:elem=complex128");
    assert_eq!(tensor["creator_client"]["name"], "gridder");
    assert_eq!(tensor["creator_client"]["pid"], std::process::id());
    assert_eq!(tensor["owners"][0]["number"], store.number());
    assert_eq!(tensor["holders"], serde_json::json!([]));
    assert!(place.run("show", &["a"]).out.contains("j, "));
    let table = place.json("show", &["b"]);
    assert_eq!(table["contents"]["columns"], serde_json::json!([["n", "int64"]]));
    assert_eq!(table["contents"]["head"], serde_json::json!([["1"], ["2"], ["3"]]));
    assert!(place.run("show", &["b"]).out.contains("3 rows of {n: int64}"));
    let call = place.json("show", &["c0"]);
    assert_eq!(call["contents"]["function"], "add");
    assert_eq!(call["contents"]["first_rows"][0][0], serde_json::json!(["x", "5"]));
    assert_eq!(call["contents"]["first_rows"][0][1][1], id([1; 4], 1).to_string());
    let declaration = place.json("show", &["d"]);
    assert_eq!(declaration["contents"]["functions"][0], "add(x: int64, y: float64[i]) -> (z: float64[i])");
    assert_eq!(place.json("show", &["e"])["contents"]["begins"], "0102ff");
    let text = place.run("show", &["c"]);
    assert!(text.out.contains("x = 5") && text.out.contains("owned by"), "{}", text.out);
    assert!(text.out.contains(&format!("gridder, pid {}", std::process::id())), "{}", text.out);

    // The environment's store.
    let by_default = command().args(["show", "e", "--json"]).env("SDP_DAL_STORE", &place.0).output().unwrap();
    let by_default: Value = serde_json::from_slice(&by_default.stdout).unwrap();
    assert_eq!(by_default["kind"], "raw");
}

#[test]
fn ids_must_be_clear() {
    let place = Place::new("ids");
    let store = place.make();
    let _wants = [put(&store, &id([0xab; 4], 1), b"", b""), put(&store, &id([0xab; 4], 2), b"", b"")];
    let both = place.run("show", &["ab"]);
    assert_eq!(both.code, Some(2));
    assert!(both.err.contains("2 objects start with ab"), "{}", both.err);
    assert!(both.err.contains(&id([0xab; 4], 2).to_string()), "{}", both.err);
    assert_eq!(place.json("show", &["abababab02"])["id"], id([0xab; 4], 2).to_string());
    let none = place.run("show", &["0"]);
    assert_eq!((none.code, none.err.contains("no object whose ID starts with 0")), (Some(2), true));
    for (wrong, sentence) in
        [(vec!["xyz"], "'xyz'"), (vec![], "no object is given"), (vec!["ab", "ab"], "error")]
    {
        let ended = place.run("show", &wrong);
        assert_eq!(ended.code, Some(2), "{wrong:?}");
        assert!(ended.err.contains(sentence), "{}", ended.err);
    }
}

#[test]
fn holders_are_named() {
    let place = Place::new("holders");
    let store = place.make();
    let wants = [put(&store, &id([1; 4], 1), b"abc", b""), put(&store, &id([2; 4], 1), b"defg", b"")];
    let _held: Buffer = store.get(&wants[1].id(), Timeout::Poll).unwrap();
    let holders = place.json("holders", &[]);
    // The program itself is not among them.
    assert_eq!(holders.as_array().unwrap().len(), 1);
    let we = &holders[0];
    assert_eq!((&we["name"], &we["pid"]), (&"gridder".into(), &std::process::id().into()));
    assert_eq!(we["alive"], true);
    assert!(!we["host"].as_str().unwrap().is_empty() && we["since"].as_str().unwrap().ends_with('Z'));
    assert_eq!(we["owns"].as_array().unwrap().len(), 2);
    assert_eq!(we["holds"], serde_json::json!([wants[1].id().to_string()]));
    assert_eq!(we["held_bytes"], 4);
    let of_one = place.json("holders", &["01"]);
    assert_eq!(of_one[0]["owns"], serde_json::json!([wants[0].id().to_string()]));
    let table = place.run("holders", &["--objects"]);
    assert!(table.out.contains("HOST") && table.out.contains(&wants[0].id().to_string()), "{}", table.out);
    store.set_keep(wants[0].key(), true).unwrap();
    drop(wants);
    assert!(place.run("holders", &["01"]).out.contains("no client"));
}

#[test]
fn stat_counts() {
    let place = Place::new("stat");
    let store = place.make();
    let _wants = one_of_each(&store);
    let stat = place.json("stat", &[]);
    assert_eq!(stat["size"], 8 << 20);
    assert_eq!((&stat["objects"], &stat["sealed"], &stat["namespaces"]), (&5.into(), &5.into(), &1.into()));
    assert_eq!(stat["clients"], 1);
    assert!(
        stat["used_small"].as_u64().unwrap() > 0 && stat["largest_free"].as_u64() <= stat["free"].as_u64()
    );
    let text = place.run("stat", &[]);
    assert!(text.out.contains("8.0 MiB (8388608 B)") && text.out.contains("5 sealed"), "{}", text.out);
}

#[test]
fn check_says_what_is_wrong() {
    let place = Place::new("check");
    let store = place.make();
    let _wants = one_of_each(&store);
    let fine = place.json("check", &[]);
    assert_eq!(fine, serde_json::json!({"sound": true, "objects": 5, "wrong": []}));
    assert!(place.run("check", &[]).out.contains("consistent, 5 objects"));
    let broken = put(&store, &id([7; 4], 1), b"no tensor", b"sdp:kind=tensor;sdp:elem=int8");
    let wrong = place.run("check", &[]);
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.out.contains(&broken.id().to_string()) && wrong.out.contains("1 inconsistency"),
        "{}",
        wrong.out
    );
    let wrong = place.run("check", &["--json"]);
    assert_eq!(wrong.code, Some(1));
    let wrong: Value = serde_json::from_str(&wrong.out).unwrap();
    assert_eq!((&wrong["sound"], wrong["wrong"].as_array().unwrap().len()), (&false.into(), 1));
    assert!(place.run("ls", &[]).out.contains("damaged"));
}

#[test]
fn a_damaged_file_is_a_finding_and_can_be_destroyed() {
    let place = Place::new("damaged");
    // A store's first bytes, and nothing that makes sense behind them.
    std::fs::write(&place.0, [&b"SDP-DAL\n\x01\0\0\0"[..], &[0xee; 8000]].concat()).unwrap();
    let opened = place.run("stat", &[]);
    assert_eq!(opened.code, Some(2));
    let checked = place.run("check", &[]);
    assert!(matches!(checked.code, Some(1 | 2)), "{}", checked.err);
    assert_eq!(place.run("destroy", &[]).code, Some(0));
    assert!(!place.0.exists());
    // Somebody's file is left alone.
    std::fs::write(&place.0, [b'x'; 8000]).unwrap();
    let checked = place.run("check", &[]);
    assert_eq!((checked.code, checked.out.contains("not a store")), (Some(1), true));
    let refused = place.run("destroy", &[]);
    assert_eq!((refused.code, refused.err.contains("not a store")), (Some(2), true));
    assert!(place.0.exists());
    std::fs::remove_file(&place.0).unwrap();
}

#[test]
fn a_link_whose_store_has_gone_can_be_destroyed() {
    let place = Place::linked("dangling");
    let target = format!("/dev/shm/sdp-dal-0-{:032x}", std::process::id());
    std::os::unix::fs::symlink(target, &place.0).unwrap();
    assert!(place.run("ls", &[]).err.contains("does not exist"));
    assert_eq!(place.run("destroy", &[]).code, Some(0));
    assert!(std::fs::symlink_metadata(&place.0).is_err());
    assert_eq!(place.run("destroy", &[]).code, Some(2));
}

#[test]
fn rm_deletes_all_or_nothing() {
    let place = Place::new("rm");
    let store = place.make();
    let ids = [id([1; 4], 1), id([2; 4], 1), id([3; 4], 1)];
    let _wants: Vec<Want> = ids.iter().map(|id| put(&store, id, b"abc", b"")).collect();
    let missing = place.run("rm", &["01", "9"]);
    assert_eq!(missing.code, Some(2));
    assert!(store.contains(&ids[0]).unwrap());
    let removed = place.run("rm", &["01", "02"]);
    assert_eq!((removed.code, removed.out.lines().count()), (Some(0), 2));
    assert!(!store.contains(&ids[0]).unwrap() && !store.contains(&ids[1]).unwrap());

    let held = store.get(&ids[2], Timeout::Poll).unwrap();
    let later = place.run("rm", &["03", "--when-released"]);
    assert!(later.out.contains("released by 1 holder\n"), "{}", later.out);
    assert!(store.contains(&ids[2]).unwrap());
    drop(held);
    assert!(!store.contains(&ids[2]).unwrap());
    assert_eq!(place.json("check", &[])["sound"], true);
}

#[test]
fn failures_say_why() {
    let place = Place::new("nothing");
    for command in ["ls", "stat", "holders", "check", "destroy"] {
        let ended = place.run(command, &[]);
        assert_eq!(ended.code, Some(2), "{command}");
        assert!(ended.err.contains("there is no store at"), "{command}: {}", ended.err);
        assert!(ended.out.is_empty());
        // Looking does not make one.
        assert!(!place.0.exists());
        let unnamed = run(&[command]);
        assert_eq!((unnamed.code, unnamed.err.contains("SDP_DAL_STORE")), (Some(2), true), "{}", unnamed.err);
    }
    let size = run(&[OsStr::new("store"), place.0.as_os_str(), OsStr::new("-m"), OsStr::new("10GB")]);
    assert_eq!((size.code, size.err.contains("'10GB' is not a size")), (Some(2), true), "{}", size.err);
    assert_eq!(run(&["frobnicate"]).code, Some(2));
    assert_eq!(run(&[""; 0]).code, Some(2));
    let help = run(&["--help"]);
    assert_eq!((help.code, help.out.contains("Exit status")), (Some(0), true));
    let not_a_store = run(&[OsStr::new("ls"), Path::new("/dev/null").as_os_str()]);
    assert_eq!(not_a_store.code, Some(2));
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let place = Place::new("pipe");
    let store = place.make();
    let _wants: Vec<Want> = (0..200).map(|n| put(&store, &id([n; 4], 1), b"", b"")).collect();
    let script = format!(
        "{} ls {} | head -n 1; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_sdp-dal"),
        place.0.display()
    );
    let ended: Ended = Command::new("bash").args(["-c", &script]).output().unwrap().into();
    assert_eq!(ended.out.lines().last(), Some("0"), "{}{}", ended.out, ended.err);
    until("the client has left", || store.clients().unwrap().len() == 1);
}

#[test]
fn stores_of_the_machine_are_listed() {
    let (place, other) = (Place::new("census"), Place::linked("census-linked"));
    let (_store, _other) = (place.make(), other.make());
    let listed = run(&["stores", "--json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let list: Value = serde_json::from_str(&listed.out).unwrap();
    for place in [&place, &other] {
        let path = place.0.to_str().unwrap();
        let store = list.as_array().unwrap().iter().find(|store| store["path"] == path).unwrap();
        assert_eq!((&store["size"], &store["clients"]), (&(8 << 20).into(), &1.into()));
        assert_eq!(store["left_over"], false);
        assert!(store["created"].as_str().unwrap().ends_with('Z'));
    }
    let text = run(&["stores"]).out;
    assert!(text.contains(place.0.to_str().unwrap()) && text.contains("1 of "), "{text}");
}

#[test]
fn left_over_stores_are_removed_on_request() {
    let used = Place::new("left-over-used");
    let (killed, linked) = (Place::new("left-over-killed"), Place::linked("left-over-linked"));
    let mut server = Server::start(&used, &["--size", "3M"]);
    for place in [&killed, &linked] {
        let mut server = Server::start(place, &["--size", "3M", "--reserve"]);
        server.process.kill().unwrap();
        server.wait();
        assert_eq!(place.json("stores", &[])[0]["left_over"], true);
    }
    let removed = killed.run("stores", &["--remove-left-over"]);
    assert_eq!((removed.code, removed.err.as_str()), (Some(0), ""));
    let mut lines = removed.out.lines();
    let first = lines.next().unwrap();
    let path = killed.0.to_str().unwrap();
    assert!(first.starts_with(&format!("removed {path}: freed ")) && first.ends_with(" B)"), "{first}");
    assert!(lines.next().unwrap().starts_with("1 store removed, "), "{}", removed.out);
    assert!(!killed.0.exists());

    let file = std::fs::read_link(&linked.0).unwrap_or_else(|_| linked.0.clone());
    let removed = linked.json("stores", &["--remove-left-over"]);
    assert_eq!(removed[0]["path"], linked.0.to_str().unwrap());
    assert_eq!(removed[0]["file"], file.to_str().unwrap());
    assert!(removed[0]["given_back"].as_u64().unwrap() >= 3 << 20);
    assert!(!file.exists() && std::fs::symlink_metadata(&linked.0).is_err());

    let none = used.run("stores", &["--remove-left-over"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), "0 stores removed, 0 B freed\n"));
    assert_eq!(used.json("stat", &[])["clients"], 1);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_list_of_very_many_objects_takes_no_memory_of_their_number() {
    const MANY: u32 = 60_000;
    let place = Place::new("many");
    let store = place.make();
    for n in 0..MANY {
        let mut bytes = [0xab; 20];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        let spec = CreateSpec { keep: true, ..CreateSpec::default() };
        store.create(&ObjectId::new(bytes), &spec).unwrap().seal().unwrap();
    }
    for json in [&[][..], &["--json"]] {
        let mut listing =
            command().arg("ls").arg(&place.0).args(json).stdout(Stdio::piped()).spawn().unwrap();
        let mut reader = BufReader::new(listing.stdout.take().unwrap());
        // It has begun to write, and now waits for its reader.
        let mut first = String::new();
        reader.read_line(&mut first).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", listing.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
        assert!(kilobytes < 24 << 10, "{kilobytes} kB for {MANY} objects");
        let rest: Vec<String> = reader.lines().map(Result::unwrap).collect();
        assert!(listing.wait().unwrap().success());
        let ids: Vec<String> = if json.is_empty() {
            rest.iter()
                .take_while(|line| !line.contains(" objects, "))
                .map(|line| line[..40].to_owned())
                .collect()
        } else {
            let all: Value = serde_json::from_str(&(first + &rest.join("\n"))).unwrap();
            let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
            all.as_array().unwrap().iter().map(id).collect()
        };
        assert_eq!(ids.len(), MANY as usize);
        assert!(ids.is_sorted());
    }
}

#[test]
fn trim_gives_memory_back() {
    let place = Place::new("trim");
    let store = place.make();
    drop(put(&store, &id([1; 4], 1), &vec![7; 6 << 20], b""));
    let reserved = |place: &Place| place.json("stat", &[])["reserved"].as_u64().unwrap();
    let before = reserved(&place);
    let trimmed = place.run("trim", &[]);
    assert_eq!(trimmed.code, Some(0), "{}", trimmed.err);
    assert!(trimmed.out.starts_with("returned ") && trimmed.out.contains("MiB"), "{}", trimmed.out);
    assert!(reserved(&place) < before);
    assert_eq!(place.json("check", &[])["sound"], true);
}

#[test]
fn every_command_has_help_and_is_completed() {
    let help = run(&["--help"]).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    let expected =
        ["store", "ls", "show", "stat", "stores", "events", "trace", "top", "call", "wait", "trim", "rm"];
    assert!(expected.iter().all(|command| commands.contains(command)), "{commands:?}");
    let script = run(&["completions", "bash"]);
    assert_eq!(script.code, Some(0), "{}", script.err);
    for command in commands {
        assert!(script.out.contains(&format!("sdp__dal,{command}")), "{command}");
        let ended = run(&[command, "--help"]);
        assert_eq!((ended.code, ended.out.contains("Usage: sdp-dal")), (Some(0), true), "{command}");
    }
    let checked =
        Command::new("bash").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn().and_then(|mut bash| {
            std::io::Write::write_all(&mut bash.stdin.take().unwrap(), script.out.as_bytes())?;
            bash.wait()
        });
    assert!(checked.unwrap().success());
}
