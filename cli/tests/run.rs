//! `sdp-dal run` as operators use it: small shell programs that end in every way.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{command, run, until, worker_command, Ended, Place, Running};

/// A folder of this test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("sdp-dal-run-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn count(&self, name: &str) -> usize {
        fs::read_to_string(self.file(name)).map_or(0, |text| text.lines().count())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn script(options: &[&str], text: &str) -> Vec<String> {
    let words = [&["run"], options, &["--", "sh", "-c", text]].concat();
    words.into_iter().map(str::to_owned).collect()
}

/// Whether there is such a process, and it is no zombie.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z')
}

/// The process IDs that a program wrote.
fn pids(file: &Path, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(file).unwrap_or_default();
    until("all have written their process ID", || read().ends_with('\n') && read().lines().count() == count);
    read().lines().map(str::to_owned).collect()
}

#[test]
fn a_program_runs_once_as_it_is() {
    let ended = run(&script(&["--store", "/dev/shm/somewhere"], "echo $SDP_DAL_STORE $SDP_DAL_COPY; exit 3"));
    assert_eq!((ended.code, &*ended.out), (Some(3), "/dev/shm/somewhere 0\n"));
    assert!(ended.err.contains("sh was started, pid "), "{}", ended.err);
    assert!(ended.err.contains(" exited with status 3 after "), "{}", ended.err);
    assert_eq!(run(&script(&[], "exit 0")).code, Some(0));
    assert_eq!(run(&script(&[], "kill -ABRT $$")).code, Some(134));
    // Without `--`, too; and the environment's store stays.
    let mut plain = command();
    plain.args(["run", "sh", "-c", "echo $SDP_DAL_STORE"]).env("SDP_DAL_STORE", "/dev/shm/other");
    assert_eq!(Ended::from(plain.output().unwrap()).out, "/dev/shm/other\n");
}

#[test]
fn what_fails_is_started_again_until_it_succeeds() {
    let folder = Folder::new("again");
    let file = folder.file("lives");
    let text =
        format!("echo >>{0}; case $(wc -l <{0}) in 1) exit 1;; 2) kill -SEGV $$;; esac", file.display());
    let ended = run(&script(&["--restart"], &text));
    assert_eq!((ended.code, folder.count("lives")), (Some(0), 3), "{}", ended.err);
    let said: Vec<&str> = ended.err.lines().collect();
    assert_eq!(said.len(), 6, "{}", ended.err);
    assert!(said[1].contains(" exited with status 1 after ") && said[1].ends_with("restarting it in 0.1 s"));
    assert!(said[3].contains(" was ended by signal 11 (SIGSEGV) ") && said[3].ends_with("in 0.2 s"));
    assert!(said[5].contains(" exited with status 0 after "));
    // A success is no reason to start it again, unless that is asked for.
    let text = format!("echo >>{}", folder.file("always").display());
    let always = Running::start(&script(&["--restart=always"], &text));
    until("it is started three times", || folder.count("always") >= 3);
    always.signal("TERM");
    assert_eq!(always.end().code, Some(0));
}

#[test]
fn what_fails_again_and_again_is_given_up() {
    let folder = Folder::new("gives-up");
    let (bad, good) = (folder.file("bad"), folder.file("good"));
    let text = format!(
        "if [ $SDP_DAL_COPY = 1 ]; then echo >>{}; kill -KILL $$; else echo $$ >{}; exec sleep 1000; fi",
        bad.display(),
        good.display()
    );
    let ended = run(&script(&["-n2", "--restart", "--give-up-after=3"], &text));
    assert_eq!((ended.code, folder.count("bad")), (Some(137), 3), "{}", ended.err);
    let why = "giving up, because copy 1 of sh failed 3 times in a row, each time within 10 s";
    assert!(ended.err.contains(why), "{}", ended.err);
    assert!(!runs(&pids(&good, 1)[0]));
    // What cannot be run is not tried again.
    let text = folder.file("text");
    fs::write(&text, "no program").unwrap();
    let missing = [("/dev/shm/there-is-none", 127), ("there-is-none-in-path", 127)];
    for (program, status) in missing.into_iter().chain([(text.to_str().unwrap(), 126)]) {
        let ended = run(&["run", "--restart=always", "--", program]);
        assert_eq!(ended.code, Some(status), "{}", ended.err);
        assert!(ended.err.contains(program) && ended.err.lines().count() == 1, "{}", ended.err);
    }
    assert_eq!(run(&["run", "--count", "0", "true"]).code, Some(2));
    assert_eq!(run(&["run"]).code, Some(2));
}

#[test]
fn copies_are_told_apart_in_their_output() {
    let text = "echo out; echo err >&2; printf 'no end'";
    let ended = run(&script(&["--count=3"], text));
    assert_eq!(ended.code, Some(0));
    let mut lines: Vec<&str> = ended.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["[0] no end", "[0] out", "[1] no end", "[1] out", "[2] no end", "[2] out"]);
    for copy in 0..3 {
        assert!(ended.err.contains(&format!("[{copy}] err\n")), "{}", ended.err);
        assert!(ended.err.contains(&format!("copy {copy} of sh was started, pid ")), "{}", ended.err);
    }
}

#[test]
fn a_signal_ends_all_in_order_and_kills_what_does_not_hear() {
    for signal in ["TERM", "INT", "HUP"] {
        let folder = Folder::new(&format!("order-{signal}"));
        let (file, ends) = (folder.file("pids"), folder.file("ends"));
        let text = format!(
            "trap 'echo >>{}; exit 0' TERM; echo $$ >>{}; while :; do sleep 0.01; done",
            ends.display(),
            file.display()
        );
        let running = Running::start(&script(&["--count=2", "--restart=always"], &text));
        let found = pids(&file, 2);
        running.signal(signal);
        let ended = running.end();
        assert_eq!((ended.code, folder.count("ends")), (Some(0), 2), "{}", ended.err);
        assert!(ended.err.contains(&format!("SIG{signal} came: ending 2 processes")), "{}", ended.err);
        assert!(!found.iter().any(|pid| runs(pid)));
    }
    // Deaf, and one that is stopped.
    let folder = Folder::new("deaf");
    let file = folder.file("pids");
    let deaf = format!("trap '' TERM; echo $$ >>{}; while :; do sleep 0.01; done", file.display());
    let running = Running::start(&script(&["--grace=0.2"], &deaf));
    let found = pids(&file, 1);
    running.signal("TERM");
    let ended = running.end();
    assert!(ended.err.contains("they did not end in time: killing 1 process"), "{}", ended.err);
    assert!(ended.code == Some(0) && !runs(&found[0]));
    let running = Running::start(&script(&["--grace=1000"], &deaf));
    let found = pids(&file, 2);
    running.signal("TERM");
    assert!(std::iter::repeat_with(|| running.error_line()).any(|line| line.contains("ending 1 process")));
    running.signal("INT");
    assert!(running.end().err.contains("another signal came: killing 1 process"));
    assert!(!runs(&found[1]));
    let stopped = format!("echo $$ >>{}; kill -STOP $$; sleep 1000", file.display());
    let running = Running::start(&script(&["--grace=1000"], &stopped));
    pids(&file, 3);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

/// The callers of a processor whose library takes it down learn how it ended, and go on with the next one.
#[test]
fn callers_learn_how_a_processor_ended() {
    let place = Place::new("run-ends");
    let store = place.make();
    let (program, variables) = worker_command(&place, "Adder");
    let words = ["run", "--restart", "--give-up-after=2", "--store", place.0.to_str().unwrap(), "--"];
    let words: Vec<_> = words.iter().map(Into::into).chain(program).collect();
    let supervisor = Running::start_in(&words, &variables);
    // It is bad input that ends the processor, and not the supervisor: however often.
    for (x, how) in [
        ("-inf", "was ended by signal 6 (SIGABRT)"),
        ("nan", "exited with status 3"),
        ("-inf", "was ended by signal 6 (SIGABRT)"),
    ] {
        let wrong = place.run("call", &["add", &format!("x={x}"), "ys=[1]", "--timeout", "60"]);
        assert_eq!(wrong.code, Some(1), "{}", wrong.err);
        let text = format!("{how}; the inputs of the call still exist");
        assert!(wrong.err.contains("the processor Adder (client "), "{}", wrong.err);
        assert!(wrong.err.contains(&text), "expected {how}: {}", wrong.err);
        let right = place.run("call", &["add", "x=1", "ys=[1]", "--timeout", "60"]);
        assert_eq!((right.code, &*right.out), (Some(0), "zs: float64[i=1]\n  [2.0]\n"), "{}", right.err);
    }
    supervisor.signal("TERM");
    assert_eq!(supervisor.end().code, Some(0));
    assert_eq!(place.json("check", &[])["sound"], true);
    drop(store);
}

#[test]
fn no_process_outlives_a_killed_run() {
    let folder = Folder::new("killed");
    let file = folder.file("pids");
    let text = format!("echo $$ >>{}; exec sleep 1000", file.display());
    let running = Running::start(&script(&["--count=3"], &text));
    let found = pids(&file, 3);
    assert!(found.iter().all(|pid| runs(pid)));
    running.signal("KILL");
    until("the copies have ended", || !found.iter().any(|pid| runs(pid)));
}

/// What a copy has started ends with it; and zombies that are left to `run`, as to the first process of a container, go.
#[test]
fn what_a_copy_leaves_behind_is_cleared_away() {
    let folder = Folder::new("left");
    let file = folder.file("pids");
    // In its group; out of it, where only its end is waited for.
    let text = format!(
        "pids={}$SDP_DAL_COPY; sleep 1000 & echo $! >>$pids; (setsid sh -c 'echo $$ >>$0; sleep 0.3' $pids &); \
         while [ $(wc -l <$pids) -lt 2 ]; do sleep 0.01; done; if [ $SDP_DAL_COPY = 0 ]; then exit 1; fi; exec sleep 1000",
        file.display()
    );
    let running = Running::start(&script(&["--count=2"], &text));
    let (first, second) = (pids(&folder.file("pids0"), 2), pids(&folder.file("pids1"), 2));
    until("the first copy's child is killed", || !first.iter().any(|pid| runs(pid)));
    assert!(runs(&second[0]));
    let parent = running.pid().to_string();
    let children = || {
        let list = Command::new("ps").args(["-o", "stat=", "--ppid", &parent]).output().unwrap();
        String::from_utf8(list.stdout).unwrap()
    };
    until("there are no zombies", || !children().contains('Z'));
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}
