//! The rows of a tensor that a row of the result needs, with zeros where they leave the map.

use crate::fused::{Load, Source, store};
use crate::shape::Map;
use crate::simd::{Kernel, Simd};
use crate::workspace::Buffer;

/// The last three rows of a tensor that were asked for, each with a pixel of zeros before and after it.
pub(super) struct Lines<'a> {
    source: &'a Source<'a>,
    map: Map,
    /// Floats from pixel to pixel: the channels, or more.
    step: usize,
    slots: *mut f32,
    /// The row that each slot holds, counted through all images.
    held: [usize; 3],
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a Source<'a>, map: Map, step: usize, buffer: &mut Buffer) -> Lines<'a> {
        let lines =
            Lines { source, map, step, slots: buffer.get(3 * (map.width + 2) * step), held: [usize::MAX; 3] };
        for slot in 0..3 {
            for end in [0, map.width + 1] {
                // SAFETY: a slot holds `width + 2` pixels.
                unsafe { lines.slots.add((slot * (map.width + 2) + end) * step).write_bytes(0, step) };
            }
        }
        lines
    }

    /// Row `y` of `image`, from the zero pixel before it; any three rows in succession are held at once. `None` where `y` is
    /// not in the map.
    #[inline(always)]
    pub(super) fn row<S: Simd>(&mut self, simd: S, image: usize, y: usize) -> Option<*const f32> {
        if y >= self.map.height {
            return None;
        }
        let slot = y % 3;
        let row = image * self.map.height + y;
        // SAFETY: the slot holds `width + 2` pixels.
        let line = unsafe { self.slots.add(slot * (self.map.width + 2) * self.step) };
        if self.held[slot] != row {
            self.held[slot] = row;
            simd.call(FillRow {
                source: self.source,
                at: row * self.map.width * self.map.channels,
                pixels: self.map.width,
                channels: self.map.channels,
                to: line.wrapping_add(self.step),
                step: self.step,
            });
        }
        Some(line)
    }
}

/// Copies adjacent pixels, worked on as their source says.
struct FillRow<'a> {
    source: &'a Source<'a>,
    /// The first pixel's first element.
    at: usize,
    pixels: usize,
    channels: usize,
    to: *mut f32,
    /// Floats from pixel to pixel of the result.
    step: usize,
}

impl Kernel for FillRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: whoever makes a `FillRow` gives it pixels of the map and room for them.
        unsafe {
            match *self.source {
                Source::Plain(load) if self.step == self.channels => {
                    load.0.0.add(self.at).copy_to_nonoverlapping(self.to, self.pixels * self.channels);
                }
                Source::Plain(load) => self.fill(simd, load),
                Source::NormRelu(load) => self.fill(simd, load),
                Source::NormGradient(load) => self.fill(simd, load),
            }
        }
    }
}

impl FillRow<'_> {
    #[inline(always)]
    unsafe fn fill<S: Simd, L: Load>(&self, simd: S, load: L) {
        for channel in (0..self.channels).step_by(S::LANES) {
            let left = self.channels - channel;
            // SAFETY: the caller's.
            unsafe {
                if left < S::LANES {
                    self.block::<S, L, true>(simd, load, channel, left);
                } else {
                    self.block::<S, L, false>(simd, load, channel, S::LANES);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn block<S: Simd, L: Load, const PART: bool>(
        &self,
        simd: S,
        load: L,
        channel: usize,
        lanes: usize,
    ) {
        let coefficients = load.block::<S, PART>(simd, channel, lanes);
        for x in 0..self.pixels {
            let at = self.at + x * self.channels + channel;
            // SAFETY: the caller's.
            unsafe {
                let v = load.load::<S, PART>(simd, &coefficients, at, lanes);
                store::<S, PART>(simd, self.to.add(x * self.step + channel), v, lanes);
            }
        }
    }
}
