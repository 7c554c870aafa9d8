//! Transforms of the input: of the forward pass, and of the input gradient, whose input is the output's gradient.

use super::{KERNEL, SAMPLES};
use crate::simd::{Kernel, Simd};
use crate::transformed::{InputRow, PatchTransform, each_patch};

/// Five samples to their planes, the first of which are the differences that [F(2, 2)](super) asks for.
#[derive(Clone, Copy)]
struct Samples<S>(S);

impl<S: Simd> PatchTransform<S, SAMPLES, SAMPLES> for Samples<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Samples(s)
    }

    #[inline(always)]
    fn apply(self, x: [S::V; SAMPLES]) -> [S::V; SAMPLES] {
        let s = self.0;
        [s.sub(x[0], x[2]), x[1], x[2], s.sub(x[4], x[2]), x[3]]
    }
}

/// Transforms one tile row for the forward pass: patches of 5 x 5 that start a pixel above and left of the tile's first.
pub(super) struct Input<'a>(pub(super) InputRow<'a>);

impl Kernel for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `InputRow` gives it a row of the map and planes of these sizes.
        unsafe { each_patch::<S, Samples<S>, SAMPLES, SAMPLES>(simd, &self.0, 4, 1) };
    }
}

/// Three adjacent gradients to their planes.
#[derive(Clone, Copy)]
struct Gradients<S>(S);

impl<S: Simd> PatchTransform<S, 3, KERNEL> for Gradients<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Gradients(s)
    }

    #[inline(always)]
    fn apply(self, g: [S::V; 3]) -> [S::V; KERNEL] {
        let s = self.0;
        [s.sub(g[0], g[1]), g[1], s.sub(g[2], g[1]), g[0]]
    }
}

/// Transforms one tile row for the input gradient: patches of 3 x 3.
pub(super) struct InputBack<'a>(pub(super) InputRow<'a>);

impl Kernel for InputBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `InputRow` gives it a row of the map and planes of these sizes.
        unsafe { each_patch::<S, Gradients<S>, 3, KERNEL>(simd, &self.0, 2, 0) };
    }
}
