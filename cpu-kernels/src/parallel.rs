//! Sharing work out over threads.
//!
//! Work is cut into one part a thread, contiguous and fixed by the sizes alone, so that sums come out the same from run
//! to run with the same number of threads.

use std::ops::Range;

/// Threads that work can be shared out over.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "threads"))]
    1
}

/// Runs `f(i, &mut parts[i])` for every part, at once where there are threads.
pub(crate) fn each<T: Send>(parts: &mut [T], f: impl Fn(usize, &mut T) + Sync + Send) {
    #[cfg(feature = "threads")]
    if parts.len() > 1 {
        use rayon::prelude::*;
        parts.par_iter_mut().with_max_len(1).enumerate().for_each(|(i, part)| f(i, part));
        return;
    }
    for (i, part) in parts.iter_mut().enumerate() {
        f(i, part);
    }
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
