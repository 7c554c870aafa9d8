//! Transform of the weights, and back from the transformed domain to their gradient.

use super::{PATCH, PLANES, transform};
use crate::fused::{load, store};
use crate::product::panels;
use crate::simd::{Kernel, Simd};
use std::ops::Range;

/// Transforms weights `[3][3][inputs][outputs]` into panels, see [`crate::product`].
pub(super) struct WeightTransform<'a> {
    pub(super) weights: &'a [f32],
    /// Input channels in all.
    pub(super) inputs: usize,
    /// Output channels in all.
    pub(super) outputs: usize,
    /// Which input channels to transform.
    pub(super) channels: Range<usize>,
    /// Which blocks of output channels; the first panel starts at the first of them.
    pub(super) blocks: Range<usize>,
    /// Plane 0 of the result.
    pub(super) to: *mut f32,
    /// Floats from plane to plane.
    pub(super) plane: usize,
}

impl Kernel for WeightTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (first, width) in panels::<S>(self.blocks.len()) {
            for channel in self.channels.clone() {
                for q in 0..width {
                    let out = (self.blocks.start + first + q) * S::LANES;
                    let left = self.outputs - out;
                    // SAFETY: whoever makes a `WeightTransform` gives it weights and planes of these sizes.
                    unsafe {
                        let to = self.to.add((first * self.inputs + channel * width + q) * S::LANES);
                        if left < S::LANES {
                            self.block::<S, true>(simd, channel, out, left, to);
                        } else {
                            self.block::<S, false>(simd, channel, out, S::LANES, to);
                        }
                    }
                }
            }
        }
    }
}

impl WeightTransform<'_> {
    #[inline(always)]
    unsafe fn block<S: Simd, const PART: bool>(
        &self,
        simd: S,
        channel: usize,
        out: usize,
        lanes: usize,
        to: *mut f32,
    ) {
        let tap = self.inputs * self.outputs;
        // SAFETY: nine taps of `lanes` weights from this channel and output on.
        unsafe {
            let from = self.weights.as_ptr().add(channel * self.outputs + out);
            let mut halves = [[simd.zero(); 3]; PATCH];
            for j in 0..3 {
                let mut w = [simd.zero(); 3];
                for (i, w) in w.iter_mut().enumerate() {
                    *w = load::<S, PART>(simd, from.add((3 * i + j) * tap), lanes);
                }
                for (half, v) in halves.iter_mut().zip(transform::kernel(simd, w)) {
                    half[j] = v;
                }
            }
            for (i, half) in halves.into_iter().enumerate() {
                for (j, v) in transform::kernel(simd, half).into_iter().enumerate() {
                    simd.store(to.add((i * PATCH + j) * self.plane), v);
                }
            }
        }
    }
}

/// Adds up the threads' sums of weight gradients, in their order, and transforms them back to `[3][3][inputs][outputs]`.
pub(super) struct WeightGradientTransform<'a> {
    /// Each thread's sums in panels, `PLANES` planes.
    pub(super) sums: &'a [*const f32],
    /// Input channels in all.
    pub(super) inputs: usize,
    /// Output channels.
    pub(super) outputs: usize,
    /// Which input channels to transform.
    pub(super) channels: Range<usize>,
    /// The gradient.
    pub(super) to: *mut f32,
    /// Floats from plane to plane.
    pub(super) plane: usize,
}

impl Kernel for WeightGradientTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (first, width) in panels::<S>(self.outputs.div_ceil(S::LANES)) {
            for channel in self.channels.clone() {
                for q in 0..width {
                    let out = (first + q) * S::LANES;
                    let left = self.outputs - out;
                    let from = (first * self.inputs + channel * width + q) * S::LANES;
                    // SAFETY: whoever makes a `WeightGradientTransform` gives it sums and a gradient of these sizes, and
                    // channels that are this thread's alone.
                    unsafe {
                        if left < S::LANES {
                            self.block::<S, true>(simd, from, channel, out, left);
                        } else {
                            self.block::<S, false>(simd, from, channel, out, S::LANES);
                        }
                    }
                }
            }
        }
    }
}

impl WeightGradientTransform<'_> {
    #[inline(always)]
    unsafe fn block<S: Simd, const PART: bool>(
        &self,
        simd: S,
        from: usize,
        channel: usize,
        out: usize,
        lanes: usize,
    ) {
        // SAFETY: the sums hold all planes; nine taps of `lanes` gradients from this channel and output on.
        unsafe {
            let mut halves = [[simd.zero(); PATCH]; 3];
            for j in 0..PATCH {
                let mut m = [simd.zero(); PATCH];
                for (i, m) in m.iter_mut().enumerate() {
                    let at = from + (i * PATCH + j) * self.plane;
                    *m = simd.load(self.sums[0].add(at));
                    for sums in &self.sums[1..] {
                        *m = simd.add(*m, simd.load(sums.add(at)));
                    }
                }
                for (half, v) in halves.iter_mut().zip(transform::kernel_gradient(simd, m)) {
                    half[j] = v;
                }
            }
            let to = self.to.add(channel * self.outputs + out);
            for (i, half) in halves.into_iter().enumerate() {
                for (j, v) in transform::kernel_gradient(simd, half).into_iter().enumerate() {
                    let tap = (3 * i + j) * self.inputs * self.outputs;
                    store::<S, PART>(simd, to.add(tap), v, lanes);
                }
            }
        }
    }
}

/// Floats of all planes of transformed weights, or of their gradients, and from plane to plane.
pub(super) fn planes(inputs: usize, outputs: usize, lanes: usize) -> (usize, usize) {
    let plane = super::padded(inputs * outputs.next_multiple_of(lanes));
    (PLANES * plane, plane)
}
