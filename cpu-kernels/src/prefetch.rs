//! Bringing into the cache what comes after a product.

use crate::simd::Simd;
use std::ops::Range;

/// Brings rows of pixels into the cache, a share at each plane's product.
pub(crate) struct Prefetch<const N: usize> {
    tensors: [*const f32; N],
    at: usize,
    lines: usize,
}

impl<const N: usize> Prefetch<N> {
    /// The given rows of tensors with `row` floats a row.
    pub(crate) fn new(tensors: [*const f32; N], rows: Range<usize>, row: usize) -> Prefetch<N> {
        Prefetch { tensors, at: rows.start * row, lines: (rows.len() * row).div_ceil(16) }
    }

    /// Nothing.
    pub(crate) fn none() -> Prefetch<N> {
        Prefetch { tensors: [std::ptr::null(); N], at: 0, lines: 0 }
    }

    /// The share of plane `plane` of `planes`.
    #[inline(always)]
    pub(crate) fn some<S: Simd>(&self, simd: S, plane: usize, planes: usize) {
        for line in self.lines * plane / planes..self.lines * (plane + 1) / planes {
            for p in self.tensors {
                if !p.is_null() {
                    simd.prefetch(p.wrapping_add(self.at + 16 * line));
                }
            }
        }
    }
}
