//! Servers and callers at the level of the store: calls are issued, claimed, made and failed, and whoever waits for an output
//! hears of it.

use std::time::Duration;

use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Claim, CreateSpec, EntryKey, ObjectId, Prefix, Store, StoreOptions, Want};
use sdp_dal::sync::sim::{self, Draws};
use sdp_dal::timeout::Timeout;

use super::{fill, id, is_bearable, open, options, value, Scene, Shared, World};

pub const PROMISES: World = World {
    name: "promises",
    what: "calls issued, claimed, made, failed, dropped beside full memory: each output comes or fails, no call runs twice",
    length: 12_000,
    people,
};

/// Who has taken which call.
type Taken = Shared<Vec<(ObjectId, EntryKey)>>;

fn people(scene: &mut Scene) {
    let taken = Taken::new(Vec::new());
    let size = *scene.draws.pick(&[1 << 20, 64 << 10]);
    let options = StoreOptions { size: Some(size), ..options() };
    let callers = 1 + scene.draws.below(2);
    // Whether a call was issued, and whether a server has died.
    let (issued, dead) = (Shared::new(false), Shared::new(false));
    let mut servers = Vec::new();
    for _ in 0..1 + scene.draws.below(2) {
        let (path, taken, options) = (scene.path.clone(), taken.clone(), options.clone());
        let (issued, dead) = (issued.clone(), dead.clone());
        let mut draws = Draws::new(scene.draws.word());
        let process = sim::process(true);
        servers.push(process);
        sim::spawn(process, "server", move || {
            let Some(store) = open(&path, &options) else { return };
            let end = || {
                wait_for(&issued);
                dead.with(|dead| *dead = true);
                sim::kill_this();
            };
            let end: &dyn Fn() = if draws.one_in(5) { &end } else { &|| {} };
            if let Err(error) = serve(&store, &mut draws, &taken, end) {
                assert!(is_bearable(&error), "serving: {error}");
            }
        });
    }
    for caller in 0..callers {
        let (path, options, issued) = (scene.path.clone(), options.clone(), issued.clone());
        let (servers, dead) = (servers.clone(), dead.clone());
        let mut draws = Draws::new(scene.draws.word());
        let process = sim::process(true);
        sim::spawn(process, "caller", move || {
            let Some(store) = open(&path, &options) else { return };
            // One server for all calls, which are waited for at the end; or each by itself.
            let together = draws.one_in(2);
            // All servers die after the first call; the second is issued while somebody reaps them.
            let kills = together && draws.one_in(2);
            let (mut server, mut outputs) = (None, Vec::new());
            for turn in 0..1 + draws.below(4) as u32 {
                if !together || server.is_none() {
                    server = some_server(&store, &mut draws);
                }
                let Some(server) = server else { continue };
                let n = caller as u32 * 1000 + turn;
                // The second call is written before, and issued after that.
                let die = || {
                    if kills && turn == 1 {
                        dead.with(|dead| *dead = true);
                        servers.iter().for_each(|server| sim::kill(*server));
                        let store = store.clone();
                        sim::spawn(process, "reaper", move || {
                            store.reap_all();
                        });
                    }
                };
                match call(&store, &mut draws, server, n, &issued, die) {
                    Ok(wants) => outputs.extend(wants),
                    Err(error) => assert!(is_bearable(&error), "calling: {error}"),
                }
                if !together {
                    await_outputs(&store, &std::mem::take(&mut outputs));
                }
            }
            await_outputs(&store, &outputs);
        });
    }
    if scene.draws.one_in(2) {
        let (path, options) = (scene.path.clone(), options.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(sim::process(true), "reaper", move || {
            let Some(store) = open(&path, &options) else { return };
            let late = draws.one_in(2);
            if late {
                wait_for(&dead);
            }
            for _ in 0..if late { 2 } else { 40 } {
                store.reap_all();
                sim::sleep(Duration::from_micros(draws.below(30)));
            }
        });
    }
    if scene.draws.one_in(10) {
        let path = scene.path.clone();
        let mut draws = Draws::new(scene.draws.word());
        // Takes what is left, in pieces down to the smallest.
        sim::spawn(sim::process(true), "hog", move || {
            let Some(store) = open(&path, &options) else { return };
            let mut wants = Vec::new();
            if draws.one_in(2) {
                wait_for(&issued);
            }
            // The small ones have room of their own.
            let all = draws.one_in(2);
            for data_size in [40_000, 10_000, 4000, 1000, 64] {
                for n in 0..if all { 600 } else { 3 } {
                    let full_timeout = Some(Timeout::Poll);
                    let spec = CreateSpec { data_size, want: true, full_timeout, ..CreateSpec::default() };
                    match store.create(&id(0xee, data_size as u32 * 1000 + n), &spec).and_then(|w| w.seal()) {
                        Ok(want) => wants.extend(want),
                        Err(_) => break,
                    }
                }
            }
            sim::sleep(Duration::from_millis(draws.below(2000)));
        });
    }
}

/// Waits for something to happen, but not for ever.
fn wait_for(happened: &Shared<bool>) {
    for turn in 0..2000 {
        if happened.with(|happened| *happened) {
            return;
        }
        sim::sleep(if turn < 400 { Duration::from_nanos(500) } else { Duration::from_millis(1) });
    }
}

fn call_value(call: &ObjectId) -> u32 {
    u32::from_be_bytes(call.as_bytes()[16..].try_into().unwrap())
}

fn serve(store: &Store, draws: &mut Draws, taken: &Taken, end: &dyn Fn()) -> Result<()> {
    // So that what is promised may lie before the declaration in the table.
    let early = (0..*draws.pick(&[0, 2, 8, 14]))
        .map(|n| {
            let spec = CreateSpec { want: true, ..CreateSpec::default() };
            store.create(&id(0xcc, store.number() * 100 + n), &spec)?.seal()
        })
        .collect::<Result<Vec<_>>>()?;
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new())))?;
    drop(early);
    // With calls in its queue, perhaps.
    end();
    let mut after = 0;
    for _ in 0..1 + draws.below(4) {
        let most = Duration::from_millis(100 + draws.below(400));
        let queued = store.wait_until(&[declaration.id()], Timeout::After(most), &mut || {
            let queue = store.queue(declaration.key(), after)?;
            Ok((!queue.is_empty()).then_some(queue))
        });
        let queued = match queued {
            Ok(queued) => queued,
            Err(error) if error.kind() == Kind::Timeout => continue,
            Err(error) => return Err(error),
        };
        for call in queued {
            after = call.sequence;
            let Claim::Claimed(bytes) = store.claim(&call)? else { continue };
            taken.with(|taken| {
                let entry = (call.id, call.key);
                assert!(!taken.contains(&entry), "a call was taken twice: {}", call.id);
                taken.push(entry);
            });
            let n = value(bytes.data());
            assert_eq!(n, call_value(&call.id), "another call's bytes");
            for output in [0, 1] {
                make(store, draws, n, output)?;
            }
            drop(bytes);
            store.finish(call.key)?;
        }
    }
    Ok(())
}

fn output_id(n: u32, output: u32) -> ObjectId {
    id(0xdd, n * 2 + output)
}

/// Makes an output, or says why not.
fn make(store: &Store, draws: &mut Draws, n: u32, output: u32) -> Result<()> {
    use sdp_dal::store::ObjectState;
    let id = output_id(n, output);
    let ObjectState::Awaited { key, producer } = store.look(&id)? else { return Ok(()) };
    if producer != store.number() {
        return Ok(());
    }
    if draws.one_in(4) {
        store
            .fail(key, &Error::new(Kind::FunctionFailed, "it did not work, and this is the reason for it"))?;
        return Ok(());
    }
    let spec = CreateSpec {
        data_size: *draws.pick(&[8, 8, 2000, 10_000]),
        full_timeout: Some(*draws.pick(&[Timeout::Poll, Timeout::After(Duration::from_millis(500))])),
        ..CreateSpec::default()
    };
    match store.create_output(key, &id, &spec) {
        Ok(mut writer) => {
            fill(writer.data_mut(), n * 2 + output);
            if draws.one_in(8) {
                drop(writer);
                store.fail(key, &Error::new(Kind::OutputNotWritten, "given up")).map(drop)
            } else {
                writer.seal().map(drop)
            }
        }
        Err(error) if is_bearable(&error) => store.fail(key, &error).map(drop),
        Err(error) => Err(error),
    }
}

/// The prefix and the declaration of a server that lives.
fn some_server(store: &Store, draws: &mut Draws) -> Option<(Prefix, EntryKey)> {
    let namespaces = store.namespaces().ok()?;
    let servers: Vec<_> = namespaces.iter().filter(|namespace| namespace.alive).collect();
    if servers.is_empty() {
        sim::sleep(Duration::from_millis(draws.below(100)));
        return None;
    }
    let server = draws.pick(&servers);
    Some((server.prefix, server.key))
}

/// Issues a call. It, and some of its outputs: who drops the call gives it up.
fn call(
    store: &Store,
    draws: &mut Draws,
    (prefix, server): (Prefix, EntryKey),
    n: u32,
    issued: &Shared<bool>,
    before: impl FnOnce(),
) -> Result<Option<(Want, Vec<Want>)>> {
    let mut bytes = *ObjectId::declaration(prefix).as_bytes();
    bytes[8] = 1;
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    let full_timeout = Some(Timeout::After(Duration::from_millis(300)));
    let spec = CreateSpec { data_size: 64, want: true, full_timeout, ..CreateSpec::default() };
    let mut writer = store.create(&ObjectId::new(bytes), &spec)?;
    fill(writer.data_mut(), n);
    before();
    let outputs = [output_id(n, 0), output_id(n, 1)];
    let (call, mut wants) = match store.issue(writer, server, &outputs) {
        Ok(issued) => issued,
        Err(error) if error.kind() == Kind::ProcessorLost => return Ok(None),
        Err(error) => return Err(error),
    };
    sim::note(|| format!("has issued {n}"));
    issued.with(|issued| *issued = true);
    if draws.one_in(6) {
        drop(wants.remove(0));
    }
    if draws.one_in(6) {
        return Ok(None);
    }
    Ok(Some((call, wants)))
}

fn await_outputs(store: &Store, issued: &[(Want, Vec<Want>)]) {
    issued.iter().flat_map(|(_, wants)| wants).for_each(|want| await_output(store, want));
}

/// However long it takes: it comes, or somebody says that it never will.
fn await_output(store: &Store, want: &Want) {
    match store.get_key(want.key(), &want.id(), Timeout::Forever) {
        Ok(buffer) => assert_eq!(id(0xdd, value(buffer.data())), want.id(), "another output's bytes"),
        Err(error) => {
            let expected =
                [Kind::ProcessorLost, Kind::FunctionFailed, Kind::OutputNotWritten, Kind::Cancelled];
            assert!(expected.contains(&error.kind()) || is_bearable(&error), "an output: {error}");
        }
    }
}
