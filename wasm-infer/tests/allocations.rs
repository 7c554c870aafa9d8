//! A run of the CPU engine allocates nothing, once one of its level and batch size has been.

use dvn::{Network, Shard, ShardId, Split, TaskSpec, order};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_infer::CpuEngine;

/// The system's allocator, with its calls counted.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn shard(network: &Network, id: ShardId) -> Shard {
    let specs = network.tensors(id).expect("a shard of the network");
    Shard::from_tensors(id, specs.iter().map(|s| vec![0.01; s.shape.iter().product()]).collect())
}

// The only test of this program: no other thread allocates meanwhile.
#[test]
fn a_run_allocates_nothing() {
    let split = Split::parse("1/2,1/4,1/4").expect("a split");
    let order = order::default_orders(3, 1).expect("an order").remove(0);
    let tasks = vec![TaskSpec { classes: 10, input_size: 32, order }];
    let network = Network::new("wrn-14-2".parse().expect("a backbone"), split, tasks).expect("a network");
    let mut engine = CpuEngine::new(network.clone());
    for id in network.shards() {
        engine.insert(id, shard(&network, id)).expect("a shard that fits");
    }
    // One thread, as in the browser: handing work to others allocates.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    pool.install(|| {
        for images in [1, 3, 40] {
            let input = vec![0.5; images * 3 * 32 * 32];
            for level in 1..=3 {
                let mut logits = Vec::new();
                engine.run_into(0, level, &input, images, &mut logits).expect("a first run");
                let first = logits.clone();
                let bytes = [engine.scratch_bytes(), engine.activation_bytes()];
                let before = CALLS.load(Ordering::Relaxed);
                engine.run_into(0, level, &input, images, &mut logits).expect("a second run");
                let calls = CALLS.load(Ordering::Relaxed) - before;
                assert_eq!(calls, 0, "allocations at level {level}, {images} images");
                assert_eq!(logits, first);
                assert_eq!([engine.scratch_bytes(), engine.activation_bytes()], bytes);
            }
        }
    });
}
