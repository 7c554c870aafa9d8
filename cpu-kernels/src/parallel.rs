//! Sharing work out over threads.
//!
//! Work is cut into jobs, contiguous and fixed by its size and the number of threads, and each thread takes the next one
//! when it is free: so a thread that is slower, or shares its core, does not hold up the others. Sums are kept for each job
//! and added up in the jobs' order, so that they come out the same from run to run with the same number of threads.

use std::ops::Range;

/// Jobs for each thread: what is lost at the end, while the last jobs run, is a fraction of one.
const JOBS: usize = 4;

/// Threads that work can be shared out over.
pub fn threads() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(all(feature = "workers", not(feature = "threads")))]
    return crate::team::TEAM.size();
    #[cfg(not(any(feature = "threads", feature = "workers")))]
    1
}

/// Multiply-accumulates that a thread more must find to do: handing work over takes as long as some hundred thousand.
const WORTH_SHARING: u64 = 1_000_000;

/// Those of the workers that so many multiply-accumulates keep busy; one at least.
pub(crate) fn worth<W>(workers: &mut [W], macs: u64) -> &mut [W] {
    let n = usize::try_from(macs / WORTH_SHARING).unwrap_or(usize::MAX).clamp(1, workers.len());
    &mut workers[..n]
}

/// Jobs to cut `grains` indivisible pieces of work into.
pub(crate) fn jobs(grains: usize) -> usize {
    let n = threads();
    if n == 1 { 1 } else { (JOBS * n).clamp(1, grains.max(1)) }
}

/// The same where each job leaves `len` values that are to be added up: the fewer, the more these are.
pub(crate) fn jobs_with_sums(grains: usize, len: usize) -> usize {
    let n = threads();
    let each = match 4 * len {
        0..0x10_0000 => JOBS,
        0x10_0000..0x40_0000 => JOBS / 2,
        _ => 1,
    };
    if n == 1 { 1 } else { (each * n).clamp(1, grains.max(1)) }
}

/// Runs `f(job, worker)` for every job, at once on as many threads as there are workers.
pub(crate) fn share<J: Send, W: Send>(
    workers: &mut [W],
    jobs: impl ExactSizeIterator<Item = J> + Send,
    f: impl Fn(J, &mut W) + Sync + Send,
) {
    #[cfg(any(feature = "threads", feature = "workers"))]
    if workers.len() > 1 && jobs.len() > 1 {
        use std::sync::Mutex;
        let n = workers.len();
        let (workers, jobs) = (Mutex::new(workers.iter_mut()), Mutex::new(jobs));
        let next = || jobs.lock().expect("taking a job does not panic").next();
        at_once(n, &|| {
            let worker = workers.lock().expect("taking a worker does not panic").next();
            let worker = worker.expect("there are as many workers as calls");
            while let Some(job) = next() {
                f(job, worker);
            }
        });
        return;
    }
    for job in jobs {
        f(job, &mut workers[0]);
    }
}

/// Calls `f` up to so many times, on as many threads as are free; once at least.
#[cfg(all(feature = "workers", not(feature = "threads")))]
fn at_once(calls: usize, f: &(dyn Fn() + Sync)) {
    crate::team::TEAM.run(calls, f);
}

/// As above.
#[cfg(feature = "threads")]
fn at_once(calls: usize, f: &(dyn Fn() + Sync)) {
    if calls == 1 {
        return f();
    }
    rayon::join(|| at_once(calls / 2, f), || at_once(calls - calls / 2, f));
}

/// The `i`-th of `parts` ranges that `0..total` is cut into at multiples of `grain`.
pub(crate) fn part(total: usize, grain: usize, parts: usize, i: usize) -> Range<usize> {
    let grains = total.div_ceil(grain);
    let cut = |i: usize| (grains * i / parts * grain).min(total);
    cut(i)..cut(i + 1)
}

/// A pointer that several threads write through, each to elements of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared(pub *mut f32);

// SAFETY: the pointer itself is plain data; who writes where is argued at each use.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}
