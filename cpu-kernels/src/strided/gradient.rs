//! Transform of the output's gradient for the weight gradient: the adjoint of the output's transform.

use super::PRODUCTS;
use crate::simd::{Kernel, Simd};
use crate::transformed::{InputRow, PatchTransform, each_patch};

/// Two gradients to the products that they come from.
struct Pair;

impl PatchTransform<2, PRODUCTS> for Pair {
    #[inline(always)]
    fn apply<S: Simd>(s: S, g: [S::V; 2]) -> [S::V; PRODUCTS] {
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
        unsafe { each_patch::<S, Pair, 2, PRODUCTS>(simd, &self.0, 2, 0) };
    }
}
