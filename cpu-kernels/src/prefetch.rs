//! Bringing into the cache what is wanted next, between other work: a processor follows up a dozen misses at once, and with more of
//! them it waits.

use crate::simd::Simd;
use std::ops::Range;

/// Floats of a cache line.
const LINE: usize = 16;
/// The most tensors of a [`Prefetch`].
const TENSORS: usize = 6;

/// Rows of pixels of some tensors, brought into the cache in shares.
pub(crate) struct Prefetch {
    /// What is left of each tensor: where it begins, and its lines, or after [`Self::cut`] those of a share.
    tensors: [(*const f32, usize); TENSORS],
    /// Tensors that are there.
    len: usize,
    /// Shares of a tensor.
    shares: usize,
    /// The tensor that is being brought, and its shares that were.
    tensor: usize,
    taken: usize,
}

impl Prefetch {
    /// Nothing.
    pub(crate) fn none() -> Prefetch {
        Prefetch { tensors: [(std::ptr::null(), 0); TENSORS], len: 0, shares: 1, tensor: 0, taken: 0 }
    }

    /// And the given rows of those of `tensors` that are not null, with `row` floats a row.
    pub(crate) fn and<const N: usize>(
        mut self,
        tensors: [*const f32; N],
        rows: Range<usize>,
        row: usize,
    ) -> Prefetch {
        for tensor in tensors {
            if !tensor.is_null() && !rows.is_empty() {
                let begin = tensor.wrapping_add(rows.start * row);
                self.tensors[self.len] = (begin, (rows.len() * row).div_ceil(LINE));
                self.len += 1;
            }
        }
        self
    }

    /// Cuts it into so many shares, or fewer.
    #[inline(always)]
    pub(crate) fn cut<S: Simd>(&mut self, shares: usize) {
        if S::PREFETCHES && self.len > 0 {
            self.shares = (shares / self.len).max(1);
            for (_, lines) in &mut self.tensors {
                *lines = lines.div_ceil(self.shares);
            }
        }
    }

    /// The next share: where it begins and how many lines it has.
    #[inline(always)]
    fn share(&mut self) -> (*const f32, usize) {
        if self.tensor == self.len {
            return (std::ptr::null(), 0);
        }
        let (at, lines) = &mut self.tensors[self.tensor];
        let share = (*at, *lines);
        *at = at.wrapping_add(*lines * LINE);
        self.taken += 1;
        if self.taken == self.shares {
            (self.taken, self.tensor) = (0, self.tensor + 1);
        }
        share
    }

    /// Brings the next share.
    #[inline(always)]
    pub(crate) fn next<S: Simd>(&mut self, simd: S) {
        if S::PREFETCHES {
            let (at, count) = self.share();
            lines(simd, at, count);
        }
    }

    /// The next share, to be brought in so many steps.
    #[inline(always)]
    pub(crate) fn next_in_steps<S: Simd>(&mut self, simd: S, steps: usize) -> Steps {
        if !S::PREFETCHES {
            return Steps::every(std::ptr::null(), 0);
        }
        let (at, count) = self.share();
        // What is more than a line a step now.
        let more = count.saturating_sub(steps);
        lines(simd, at, more);
        Steps::every(at.wrapping_add(more * LINE), (count - more) * LINE / steps)
    }
}

#[inline(always)]
fn lines<S: Simd>(simd: S, at: *const f32, count: usize) {
    for line in 0..count {
        simd.prefetch(at.wrapping_add(line * LINE));
    }
}

/// Lines that are brought one at a time.
pub(crate) struct Steps {
    at: *const f32,
    step: usize,
}

impl Steps {
    /// One each `step` floats from `at` on.
    #[inline(always)]
    pub(crate) fn every(at: *const f32, step: usize) -> Steps {
        Steps { at, step }
    }

    /// Brings the next.
    #[inline(always)]
    pub(crate) fn next<S: Simd>(&mut self, simd: S) {
        simd.prefetch(self.at);
        self.at = self.at.wrapping_add(self.step);
    }
}
