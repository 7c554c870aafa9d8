//! The CPU engine's threads in a browser: workers of the page that share the module's memory.
//!
//! Natively the engine runs on the rayon pool of its caller. In a browser nobody can start a thread but JavaScript: it
//! starts workers with the same module and memory, calls [`work`] in each, and [`start`] once they are there.

/// Multiply-accumulates, about 0.2 ms of one thread, that pay for waking the others up.
#[cfg(all(target_arch = "wasm32", feature = "wasm-threads"))]
const WORTH_WAKING: u64 = 12_000_000;

/// Runs `f`, which does so many multiply-accumulates, where rayon finds the threads to share them out over.
#[cfg_attr(not(all(target_arch = "wasm32", feature = "wasm-threads")), expect(unused_variables))]
pub(crate) fn run<R: Send>(macs: u64, f: impl FnOnce() -> R + Send) -> R {
    #[cfg(all(target_arch = "wasm32", feature = "wasm-threads"))]
    if let Some(pool) = workers::POOL.get()
        && macs >= WORTH_WAKING
    {
        return pool.install(f);
    }
    f()
}

#[cfg(all(target_arch = "wasm32", feature = "wasm-threads"))]
pub use workers::*;

#[cfg(all(target_arch = "wasm32", feature = "wasm-threads"))]
mod workers {
    use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};
    use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
    use wasm_bindgen::prelude::*;

    pub(super) static POOL: OnceLock<ThreadPool> = OnceLock::new();
    /// Threads that no worker has taken yet.
    static WAITING: Mutex<Vec<ThreadBuilder>> = Mutex::new(Vec::new());
    static ADDED: Condvar = Condvar::new();

    /// From now on the CPU engine has so many threads. As many workers must call [`work`]: runs wait for them.
    #[wasm_bindgen(js_name = startThreads)]
    pub fn start(threads: usize) -> Result<(), JsError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .spawn_handler(|thread| {
                WAITING.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
                ADDED.notify_one();
                Ok(())
            })
            .build()
            .map_err(|error| JsError::new(&error.to_string()))?;
        POOL.set(pool).map_err(|_| JsError::new("the threads were started before"))
    }

    /// Works as one of the threads; never returns.
    #[wasm_bindgen]
    pub fn work() {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = loop {
            match waiting.pop() {
                Some(thread) => break thread,
                None => waiting = ADDED.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(waiting);
        thread.run();
    }

    /// Threads of the CPU engine.
    pub(crate) fn count() -> usize {
        POOL.get().map_or(1, ThreadPool::current_num_threads)
    }
}
