//! The weights' way to the transformed domain, and back from there to their gradient.

use super::{PatchTransform, WeightSums, Weights};
use crate::filters::Place;
use crate::fused::{load, store};
use crate::product::panels;
use crate::simd::Simd;
use std::ops::Range;

/// A transform of 3 x 3 weights, written out so that little is alive at a time: V8 allocates registers in the order of the
/// code, and on whole batches of small maps this is where the time goes.
pub(crate) trait WeightTransform<S: Simd>: Copy {
    /// The transform and its constants.
    fn new(simd: S) -> Self;

    /// Transforms `w`, by rows, and writes every plane.
    ///
    /// # Safety
    /// The planes must have room for a vector.
    unsafe fn apply(self, w: [[S::V; 3]; 3], to: Planes);
}

/// One place in all planes.
#[derive(Clone, Copy)]
pub(crate) struct Planes {
    to: *mut f32,
    plane: usize,
}

impl Planes {
    /// The place so many floats on.
    #[inline(always)]
    fn after(self, floats: usize) -> Planes {
        Planes { to: self.to.wrapping_add(floats), ..self }
    }

    /// The same place from plane `i` on.
    #[inline(always)]
    pub(crate) fn plane(self, i: usize) -> Planes {
        self.after(i * self.plane)
    }

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
pub(crate) unsafe fn weights_to_planes<S: Simd, T: WeightTransform<S>>(simd: S, weights: &Weights) {
    let Weights { filters, inputs, outputs, .. } = *weights;
    let rows = weights.to_channels.len();
    let transform = T::new(simd);
    for (first, width) in panels::<S>(weights.blocks.len()) {
        let out = (weights.blocks.start + first) * S::LANES;
        let len = width * S::LANES;
        let mut channel = weights.channels.start;
        while channel < weights.channels.end {
            let end = filters.run_end(inputs, channel).min(weights.channels.end);
            let row = first * rows + (channel - weights.to_channels.start) * width;
            let to = Planes { to: weights.to.wrapping_add(row * S::LANES), plane: weights.plane };
            let together =
                if out + len <= outputs { filters.place(inputs, outputs, channel, out, len) } else { None };
            // SAFETY: the caller's; a place is good to the end of its run.
            unsafe {
                if let Some(place) = together {
                    panel(simd, transform, place, end - channel, width, to);
                } else {
                    for q in 0..width {
                        let (out, to) = (out + q * S::LANES, to.after(q * S::LANES));
                        column(simd, transform, weights, channel..end, out, width, to);
                    }
                }
            }
            channel = end;
        }
    }
}

/// All vectors of a panel, whose weights lie together, for so many input channels.
#[inline(always)]
unsafe fn panel<S: Simd, T: WeightTransform<S>>(
    simd: S,
    transform: T,
    place: Place,
    channels: usize,
    width: usize,
    to: Planes,
) {
    for channel in 0..channels {
        for q in 0..width {
            // SAFETY: the caller's.
            unsafe {
                let from = place.first.add(channel * place.channel + q * S::LANES);
                let w = taps::<S, false>(simd, from, place.tap, S::LANES);
                transform.apply(w, to.after((channel * width + q) * S::LANES));
            }
        }
    }
}

/// One vector of a panel `width` vectors wide, for the given input channels of one run.
#[inline(always)]
unsafe fn column<S: Simd, T: WeightTransform<S>>(
    simd: S,
    transform: T,
    weights: &Weights,
    channels: Range<usize>,
    out: usize,
    width: usize,
    to: Planes,
) {
    let Weights { filters, inputs, outputs, .. } = *weights;
    let lanes = S::LANES.min(outputs - out);
    if let Some(place) = filters.place(inputs, outputs, channels.start, out, lanes) {
        for channel in 0..channels.len() {
            // SAFETY: the caller's; `lanes` outputs are left.
            unsafe {
                let from = place.first.add(channel * place.channel);
                let w = if lanes < S::LANES {
                    taps::<S, true>(simd, from, place.tap, lanes)
                } else {
                    taps::<S, false>(simd, from, place.tap, S::LANES)
                };
                transform.apply(w, to.after(channel * width * S::LANES));
            }
        }
        return;
    }
    // Four by four they do lie together: runs and panels end at multiples of 4.
    for channel in channels.clone() {
        let mut w = [[simd.zero(); 3]; 3];
        let mut gathered = [[0.0f32; 16]; 9];
        for group in (0..lanes).step_by(4) {
            let place =
                filters.place(inputs, outputs, channel, out + group, 4).expect("no cut within four channels");
            for (tap, gathered) in gathered.iter_mut().enumerate() {
                // SAFETY: the place holds four outputs of nine taps.
                unsafe {
                    let from = place.first.add(tap * place.tap);
                    from.copy_to_nonoverlapping(gathered[group..][..4].as_mut_ptr(), 4);
                }
            }
        }
        for (w, gathered) in w.as_flattened_mut().iter_mut().zip(&gathered) {
            // SAFETY: a vector has at most 16 lanes.
            *w = unsafe { simd.load(gathered.as_ptr()) };
        }
        // SAFETY: the caller's.
        unsafe { transform.apply(w, to.after((channel - channels.start) * width * S::LANES)) };
    }
}

/// The nine taps of `lanes` output channels.
#[inline(always)]
unsafe fn taps<S: Simd, const PART: bool>(
    simd: S,
    from: *const f32,
    tap: usize,
    lanes: usize,
) -> [[S::V; 3]; 3] {
    let mut w = [[simd.zero(); 3]; 3];
    for (i, w) in w.as_flattened_mut().iter_mut().enumerate() {
        // SAFETY: the caller's.
        *w = unsafe { load::<S, PART>(simd, from.add(i * tap), lanes) };
    }
    w
}

/// Adds up the jobs' `IN` x `IN` planes and transforms them back to 3 x 3 weights.
///
/// # Safety
/// Sums and gradient must be of the sizes that `sums` states, its channels this thread's alone.
#[inline(always)]
pub(crate) unsafe fn sums_to_weights<S: Simd, T: PatchTransform<S, IN, 3>, const IN: usize>(
    simd: S,
    sums: &WeightSums,
) {
    let transform = T::new(simd);
    for (first, width) in panels::<S>(sums.outputs.div_ceil(S::LANES)) {
        for channel in sums.channels.clone() {
            for q in 0..width {
                let out = (first + q) * S::LANES;
                let left = sums.outputs - out;
                let from = (first * sums.inputs + channel * width + q) * S::LANES;
                // SAFETY: the caller's.
                unsafe {
                    if left < S::LANES {
                        back::<S, T, true, IN>(simd, transform, sums, from, channel, out, left);
                    } else {
                        back::<S, T, false, IN>(simd, transform, sums, from, channel, out, S::LANES);
                    }
                }
            }
        }
    }
}

/// `lanes` output channels of one input channel.
#[inline(always)]
unsafe fn back<S: Simd, T: PatchTransform<S, IN, 3>, const PART: bool, const IN: usize>(
    simd: S,
    transform: T,
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
        for (half, v) in halves.iter_mut().zip(transform.apply(m)) {
            half[j] = v;
        }
    }
    let to = sums.to.wrapping_add(channel * sums.outputs + out);
    for (i, half) in halves.into_iter().enumerate() {
        for (j, v) in transform.apply(half).into_iter().enumerate() {
            let tap = (3 * i + j) * sums.inputs * sums.outputs;
            // SAFETY: nine taps of `lanes` gradients from this channel and output on.
            unsafe { store::<S, PART>(simd, to.add(tap), v, lanes) };
        }
    }
}
