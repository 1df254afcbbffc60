//! Processors of one machine share its CPUs: each hears how many threads it may use, and so does OpenMP in it.

#[path = "common/calls.rs"]
#[allow(dead_code, reason = "each test program uses some of it")]
mod calls;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use calls::{got, Place};
use sdp_dal::dal::{Arg, Args, Caller, CallerOptions, Namespace, Ref};
use sdp_dal::wire::{CallSchema, Cell};

use support::programs::{program, Running};
use support::{cdylib, root, run, scratch, C11};

fn openmp_program(folder: &Path) -> PathBuf {
    let built = folder.join("openmp");
    let mut command = C11.command();
    command.arg("-fopenmp").arg(root().join("tests/c/openmp.c")).args(["-x", "none"]).arg(cdylib());
    run(command.args(["-D_DEFAULT_SOURCE", "-o"]).arg(&built));
    built
}

struct World {
    folder: PathBuf,
    program: PathBuf,
    place: Place,
    namespace: Namespace,
}

impl World {
    fn command(&self, name: &str, pools: &str) -> Command {
        let mut command = program(&self.folder, &self.program);
        command.env_remove("OMP_NUM_THREADS").env_remove("OMP_THREAD_LIMIT");
        command.arg(&self.place.path).args([name, pools]);
        command
    }

    fn call(&self, name: &str, gate: &str) -> Ref {
        // What a thread has told the pools holds for a millisecond.
        std::thread::sleep(Duration::from_millis(2));
        let schema = CallSchema::parse(&format!("{name}(gate: utf8) -> (heard: int64[2])")).unwrap();
        let caller = Caller::new(&self.namespace, vec![schema], &CallerOptions::default()).unwrap();
        let mut args = Args::new();
        args.push(Arg::Cell(Cell::Utf8(gate.to_owned())));
        caller.call(name, &args).unwrap().at(0).unwrap().clone()
    }
}

fn start(mut command: Command) -> Running {
    let running = Running::start(&mut command);
    running.says("ready");
    running
}

#[test]
fn busy_processors_share_the_cpus_and_openmp_hears_of_it() {
    let folder = scratch("threads-openmp");
    let place = Place::new("threads-openmp");
    let store = place.open();
    let namespace = Namespace::new(&store, None);
    let world = World { program: openmp_program(&folder), folder, place, namespace };
    let all = i64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let half = (all / 2).max(1);
    let gate = |name: &str| {
        let path = world.folder.join(format!("gate-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path.to_str().unwrap().to_owned()
    };

    let _first = start(world.command("first", "tell"));
    let second = start(world.command("second", "tell"));
    let _leaves = start(world.command("leaves", "leave"));
    let mut modest = world.command("modest", "tell");
    modest.env("OMP_NUM_THREADS", "1");
    let _modest = start(modest);
    assert_eq!(got(&world.call("first", "")), [all, all], "alone");
    let open = gate("second");
    let busy = world.call("second", &open);
    second.says("busy");
    assert_eq!(got(&world.call("first", "")), [half, half], "the second one is busy");
    assert_eq!(got(&world.call("first", "")), [half, half], "and again");
    assert_eq!(got(&world.call("leaves", "")), [half, all], "its pools are left as they are");
    assert_eq!(got(&world.call("modest", "")), [half, 1], "the program's own number is less");
    std::fs::write(&open, "").unwrap();
    assert_eq!(got(&busy), [all, all], "it began alone");
    assert_eq!(got(&world.call("first", "")), [all, all], "the other one is idle again");
    assert_eq!(got(&world.call("modest", "")), [all, 1]);

    // One that is killed at its work does not count.
    let again = start(world.command("third", "tell"));
    let _busy = world.call("third", &gate("third"));
    again.says("busy");
    assert_eq!(got(&world.call("first", "")), [half, half]);
    again.kill();
    assert_eq!(got(&world.call("first", "")), [all, all], "the busy one was killed");
    let _ = std::fs::remove_file(&open);
}
