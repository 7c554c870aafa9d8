//! Batches prepared ahead of the step that needs them, on a thread of their own.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Batch, Loader, Scale};

/// How many steps are prepared ahead.
const AHEAD: usize = 4;

/// Prepares the batches of several tasks, one each a step, on its own thread. Dropping it ends the thread.
pub struct Prefetch {
    ready: Option<Receiver<Vec<Batch>>>,
    used: Sender<Vec<Batch>>,
    worker: Option<JoinHandle<()>>,
    waited: Duration,
}

impl Prefetch {
    /// Starts preparing the steps of `steps` in order, at the scale that `scale_at` says for each step.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn new(
        mut loaders: Vec<Loader>,
        steps: Range<u64>,
        scale_at: impl Fn(u64) -> Scale + Send + 'static,
    ) -> std::io::Result<Self> {
        let (send, ready) = sync_channel(AHEAD);
        let (used, free) = channel();
        let worker = std::thread::Builder::new()
            .name("batches".into())
            .spawn(move || prepare(&mut loaders, steps, scale_at, &send, &free))?;
        Ok(Prefetch { ready: Some(ready), used, worker: Some(worker), waited: Duration::ZERO })
    }

    /// The next step's batches, one a loader, in the loaders' order; `None` after the last step.
    pub fn next_step(&mut self) -> Option<Vec<Batch>> {
        let ready = self.ready.as_ref()?;
        if let Ok(batches) = ready.try_recv() {
            return Some(batches);
        }
        let start = Instant::now();
        let batches = ready.recv().ok();
        self.waited += start.elapsed();
        if batches.is_none() {
            self.stop();
        }
        batches
    }

    /// Gives a step's buffers back to be filled again.
    pub fn recycle(&self, batches: Vec<Batch>) {
        // After the last step nobody takes them; then they are simply dropped.
        let _ = self.used.send(batches);
    }

    /// How long [`Prefetch::next_step`] has waited for batches in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Ends the thread; a panic of its own goes on here.
    fn stop(&mut self) {
        // Without a receiver the worker's next send fails, and it returns.
        self.ready = None;
        if let Some(worker) = self.worker.take()
            && let Err(panic) = worker.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.stop();
    }
}

fn prepare(
    loaders: &mut [Loader],
    steps: Range<u64>,
    scale_at: impl Fn(u64) -> Scale,
    send: &SyncSender<Vec<Batch>>,
    free: &Receiver<Vec<Batch>>,
) {
    for step in steps {
        let mut batches = free.try_recv().unwrap_or_default();
        batches.resize_with(loaders.len(), Batch::default);
        let scale = scale_at(step);
        for (loader, batch) in loaders.iter_mut().zip(&mut batches) {
            loader.fill(step, scale, batch);
        }
        if send.send(batches).is_err() {
            return;
        }
    }
}
