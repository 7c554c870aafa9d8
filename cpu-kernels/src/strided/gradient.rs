//! Transform of the output's gradient for the weight gradient: the adjoint of the output's transform.

use super::PRODUCTS;
use crate::simd::{Kernel, Simd};
use crate::transformed::{InputRow, PatchTransform, each_patch};

/// Two gradients to the products that they come from.
#[derive(Clone, Copy)]
struct Pair<S>(S);

impl<S: Simd> PatchTransform<S, 2, PRODUCTS> for Pair<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Pair(s)
    }

    #[inline(always)]
    fn apply(self, g: [S::V; 2]) -> [S::V; PRODUCTS] {
        let s = self.0;
        [g[0], s.add(g[0], g[1]), g[1]]
    }
}

/// Transforms one tile row: patches of 2 x 2.
pub(super) struct Gradient<'a>(pub(super) InputRow<'a>);

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes an `InputRow` gives it a row of the map and planes of these sizes.
        unsafe { each_patch::<S, Pair<S>, 2, PRODUCTS>(simd, &self.0, 2, 0) };
    }
}
