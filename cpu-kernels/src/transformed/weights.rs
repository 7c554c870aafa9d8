//! The weights' way to the transformed domain, and back from there to their gradient.

use super::{PatchTransform, WeightSums, Weights};
use crate::fused::{load, store};
use crate::product::panels;
use crate::simd::Simd;

/// A transform of 3 x 3 weights, written out so that little is alive at a time: V8 allocates registers in the order of the
/// code, and on whole batches of small maps this is where the time goes.
pub(crate) trait WeightTransform {
    /// Transforms `w`, by rows, and writes every plane.
    ///
    /// # Safety
    /// The planes must have room for a vector.
    unsafe fn apply<S: Simd>(simd: S, w: [[S::V; 3]; 3], to: Planes);
}

/// One place in all planes.
#[derive(Clone, Copy)]
pub(crate) struct Planes {
    to: *mut f32,
    plane: usize,
}

impl Planes {
    /// Writes the vector of plane `i`.
    ///
    /// # Safety
    /// The plane must have room for a vector.
    #[inline(always)]
    pub(crate) unsafe fn put<S: Simd>(self, simd: S, i: usize, v: S::V) {
        // SAFETY: the caller's.
        unsafe { simd.store(self.to.add(i * self.plane), v) };
    }
}

/// Transforms weights to planes.
///
/// # Safety
/// Weights and planes must be of the sizes that `weights` states.
#[inline(always)]
pub(crate) unsafe fn weights_to_planes<S: Simd, T: WeightTransform>(simd: S, weights: &Weights) {
    for (first, width) in panels::<S>(weights.blocks.len()) {
        for channel in weights.channels.clone() {
            for q in 0..width {
                let out = (weights.blocks.start + first + q) * S::LANES;
                let left = weights.outputs - out;
                let row = channel - weights.to_channels.start;
                let to = (first * weights.to_channels.len() + row * width + q) * S::LANES;
                // SAFETY: the caller's.
                unsafe {
                    if left < S::LANES {
                        forth::<S, T, true>(simd, weights, channel, out, left, to);
                    } else {
                        forth::<S, T, false>(simd, weights, channel, out, S::LANES, to);
                    }
                }
            }
        }
    }
}

/// `lanes` output channels of one input channel.
#[inline(always)]
unsafe fn forth<S: Simd, T: WeightTransform, const PART: bool>(
    simd: S,
    weights: &Weights,
    channel: usize,
    out: usize,
    lanes: usize,
    to: usize,
) {
    let tap = weights.inputs * weights.outputs;
    let from = weights.weights[channel * weights.outputs + out..].as_ptr();
    let mut w = [[simd.zero(); 3]; 3];
    for (i, row) in w.iter_mut().enumerate() {
        for (j, w) in row.iter_mut().enumerate() {
            // SAFETY: nine taps of `lanes` weights from this channel and output on.
            *w = unsafe { load::<S, PART>(simd, from.add((3 * i + j) * tap), lanes) };
        }
    }
    // SAFETY: the planes hold all channels.
    unsafe { T::apply(simd, w, Planes { to: weights.to.add(to), plane: weights.plane }) };
}

/// Adds up the jobs' `IN` x `IN` planes and transforms them back to 3 x 3 weights.
///
/// # Safety
/// Sums and gradient must be of the sizes that `sums` states, its channels this thread's alone.
#[inline(always)]
pub(crate) unsafe fn sums_to_weights<S: Simd, T: PatchTransform<IN, 3>, const IN: usize>(
    simd: S,
    sums: &WeightSums,
) {
    for (first, width) in panels::<S>(sums.outputs.div_ceil(S::LANES)) {
        for channel in sums.channels.clone() {
            for q in 0..width {
                let out = (first + q) * S::LANES;
                let left = sums.outputs - out;
                let from = (first * sums.inputs + channel * width + q) * S::LANES;
                // SAFETY: the caller's.
                unsafe {
                    if left < S::LANES {
                        back::<S, T, true, IN>(simd, sums, from, channel, out, left);
                    } else {
                        back::<S, T, false, IN>(simd, sums, from, channel, out, S::LANES);
                    }
                }
            }
        }
    }
}

/// `lanes` output channels of one input channel.
#[inline(always)]
unsafe fn back<S: Simd, T: PatchTransform<IN, 3>, const PART: bool, const IN: usize>(
    simd: S,
    sums: &WeightSums,
    from: usize,
    channel: usize,
    out: usize,
    lanes: usize,
) {
    let mut halves = [[simd.zero(); IN]; 3];
    for j in 0..IN {
        let mut m = [simd.zero(); IN];
        for (i, m) in m.iter_mut().enumerate() {
            // SAFETY: the sums hold all planes.
            *m = unsafe { sums.load(simd, from + (i * IN + j) * sums.plane) };
        }
        for (half, v) in halves.iter_mut().zip(T::apply(simd, m)) {
            half[j] = v;
        }
    }
    let to = sums.to.wrapping_add(channel * sums.outputs + out);
    for (i, half) in halves.into_iter().enumerate() {
        for (j, v) in T::apply(simd, half).into_iter().enumerate() {
            let tap = (3 * i + j) * sums.inputs * sums.outputs;
            // SAFETY: nine taps of `lanes` gradients from this channel and output on.
            unsafe { store::<S, PART>(simd, to.add(tap), v, lanes) };
        }
    }
}
