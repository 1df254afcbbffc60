//! simple.rs: a processor and its caller; usually these are two processes.

use ndarray::{array, Ix1};
use sdp_dal::dal::{Args, Caller, CallerOptions, Namespace, Processor, ProcessorOptions};
use sdp_dal::store::{Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::CallSchema;

const SIMPLE_FN: &str = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give the path of a store")?;
    let store = Store::open(path.as_ref(), &StoreOptions::default())?;

    let mut processor = Processor::new(&store, &ProcessorOptions::default())?;
    processor.add(SIMPLE_FN, |call| {
        let x: i64 = call.value("x")?;
        // Views of the store's memory: nothing is copied.
        let ys = call.tensor("ys")?;
        let mut zs = call.create_tensor("zs", &ys.layout().shape, None, false)?;
        zs.view_mut::<i64, Ix1>()?.assign(&(&ys.view::<i64, Ix1>()? + x));
        zs.seal()?;
        Ok(())
    })?;
    processor.start()?;

    let namespace = Namespace::new(&store, Some("caller"));
    let caller = Caller::new(&namespace, vec![CallSchema::parse(SIMPLE_FN)?], &CallerOptions::default())?;
    let ys = array![1_i64, 2, 3];
    let mut args = Args::new();
    args.set("x", 10);
    args.set("ys", &ys);
    let results = caller.call("simple_fn", &args)?;
    // Runs one call.
    processor.process(Timeout::Forever)?;
    let zs = results.get("zs")?.ok_or("zs is null")?.get_tensor(Timeout::Forever)?;
    println!("{}", zs.view::<i64, Ix1>()?);
    Ok(())
}
