//! Transforms back to the output: of the forward pass, and of the input gradient.

use super::{PRODUCTS, SAMPLES};
use crate::simd::{Kernel, Simd};
use crate::transformed::{OutputRow, PatchTransform, store_tiles};

/// Three products to two outputs.
#[derive(Clone, Copy)]
struct Pair<S>(S);

impl<S: Simd> PatchTransform<S, PRODUCTS, 2> for Pair<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Pair(s)
    }

    #[inline(always)]
    fn apply(self, m: [S::V; PRODUCTS]) -> [S::V; 2] {
        let s = self.0;
        [s.add(m[0], m[1]), s.add(m[2], m[1])]
    }
}

/// Transforms one tile row back: tiles of 2 x 2.
pub(super) struct Output<'a>(pub(super) OutputRow<'a>);

impl Kernel for Output<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `OutputRow` gives it a row of the map that is this thread's alone, and products of
        // these sizes.
        unsafe { store_tiles::<S, Pair<S>, PRODUCTS, 2>(simd, self.0) };
    }
}

/// Five products to four input gradients.
#[derive(Clone, Copy)]
struct Samples<S>(S);

impl<S: Simd> PatchTransform<S, SAMPLES, 4> for Samples<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Samples(s)
    }

    #[inline(always)]
    fn apply(self, m: [S::V; SAMPLES]) -> [S::V; 4] {
        let s = self.0;
        [m[3], s.add(m[0], m[1]), m[4], s.add(m[1], m[2])]
    }
}

/// Transforms one tile row back: tiles of 4 x 4.
pub(super) struct OutputBack<'a>(pub(super) OutputRow<'a>);

impl Kernel for OutputBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: as for `Output`.
        unsafe { store_tiles::<S, Samples<S>, SAMPLES, 4>(simd, self.0) };
    }
}
