// SPDX-License-Identifier: BSD-3-Clause
//! iceoryx2's requests and responses of fixed size, without types, arrays, errors or a processor's death. Both sides poll
//! without sleeping, each bound to a processor of its own. It is run as benches/bench.h says.

use std::error::Error;
use std::hint::spin_loop;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use iceoryx2::node::Node;
use iceoryx2::port::client::Client;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::request_response::PortFactory as Service;

type Done<T> = Result<T, Box<dyn Error>>;

/// Turns of a sample.
const TURNS: u32 = 500;
/// Follows the job and the folder where this program runs as the other side.
const ANSWERS: &str = "answers";

/// What a job sends, and what is sent back for it.
trait Job: ZeroCopySend + Copy + std::fmt::Debug + 'static {
    const ROW: &'static str;
    type Response: ZeroCopySend + Copy + std::fmt::Debug + 'static;
    fn request() -> Self;
    fn response(&self) -> Self::Response;
}

impl Job for [u8; 100] {
    const ROW: &'static str = "call_two.awake";
    type Response = Self;
    fn request() -> Self {
        [0; 100]
    }
    fn response(&self) -> Self {
        *self
    }
}

/// A number that is to be added, and what it is added to.
impl Job for [i64; 101] {
    const ROW: &'static str = "tensor.put_for_the_call";
    type Response = [i64; 100];
    fn request() -> Self {
        [1; 101]
    }
    fn response(&self) -> [i64; 100] {
        std::array::from_fn(|i| self[0] + self[i + 1])
    }
}

/// What this makes lies in the job's folder, or begins with its name.
fn open<J: Job>(folder: &str) -> Done<(Node<ipc::Service>, Service<ipc::Service, J, (), J::Response, ()>)> {
    set_log_level(LogLevel::Fatal);
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let mut config = Config::default();
    config.global.set_root_path(&Path::new(folder.as_bytes())?);
    config.global.prefix = FileName::new(format!("{name}_").as_bytes())?;
    let node = NodeBuilder::new().config(&config).create::<ipc::Service>()?;
    let service = node
        .service_builder(&ServiceName::new("sdp-dal-bench")?)
        .request_response::<J, J::Response>()
        .open_or_create()?;
    Ok((node, service))
}

/// To the nth of the processors that this process may use.
fn pin(nth: usize) -> Done<()> {
    // SAFETY: a set of processors is plain data, which these functions read and fill, and every index is below its size.
    let bound = unsafe {
        let (mut allowed, mut set): (libc::cpu_set_t, libc::cpu_set_t) =
            (std::mem::zeroed(), std::mem::zeroed());
        libc::sched_getaffinity(0, size_of_val(&allowed), &mut allowed);
        let mut usable = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed));
        libc::CPU_SET(usable.nth(nth).ok_or("it needs two processors")?, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    if bound == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error().into())
    }
}

fn answer<J: Job>(folder: &str) -> Done<()> {
    pin(1)?;
    let (_node, service) = open::<J>(folder)?;
    let server = service.server_builder().create()?;
    loop {
        match server.receive()? {
            Some(request) => request.loan_uninit()?.write_payload(request.response()).send()?,
            None => spin_loop(),
        }
    }
}

fn call<J: Job>(client: &Client<ipc::Service, J, (), J::Response, ()>) -> Done<()> {
    let pending = client.loan_uninit()?.write_payload(J::request()).send()?;
    while pending.receive()?.is_none() {
        spin_loop();
    }
    Ok(())
}

/// Prints the seconds of a call for each sample. The first one warms up.
fn measure<J: Job>(folder: &str, milliseconds: u64, other: &mut Child) -> Done<()> {
    pin(0)?;
    let (_node, service) = open::<J>(folder)?;
    let client = service.client_builder().create()?;
    while service.dynamic_config().number_of_servers() == 0 {
        if let Some(status) = other.try_wait()? {
            return Err(format!("the other side ended with {status}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut deadline = None;
    while deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let begun = Instant::now();
        for _ in 0..TURNS {
            call::<J>(&client)?;
        }
        match deadline {
            Some(_) => println!("{} {:.3e}", J::ROW, begun.elapsed().as_secs_f64() / f64::from(TURNS)),
            None => deadline = Some(Instant::now() + Duration::from_millis(milliseconds)),
        }
    }
    Ok(())
}

fn run<J: Job>(job: &str, folder: &str, then: &str) -> Done<()> {
    if then == ANSWERS {
        return answer::<J>(folder);
    }
    let mut other = Command::new(std::env::current_exe()?).args([job, folder, ANSWERS]).spawn()?;
    let done = measure::<J>(folder, then.parse()?, &mut other);
    other.kill()?;
    other.wait()?;
    done
}

fn main() -> Done<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print!("call_two\ntensor\n"),
        [job @ "call_two", folder, then, ..] => run::<[u8; 100]>(job, folder, then)?,
        [job @ "tensor", folder, then, ..] => run::<[i64; 101]>(job, folder, then)?,
        _ => return Err("give a job, a folder and milliseconds".into()),
    }
    Ok(())
}
