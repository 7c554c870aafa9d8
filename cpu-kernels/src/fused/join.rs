//! The end of a residual block.

use super::carry::Carry;
use super::load::{PlainLoad, Source, coefficients};
use super::{load, store};
use crate::operands::{Join, Shortcut};
use crate::parallel::{self, Shared};
use crate::shape::Map;
use crate::simd::{Isa, Kernel, Simd};
use crate::workspace::Part;
use std::ops::Range;

/// `out = relu(scale * y + shift + shortcut)`, made by rows.
#[derive(Clone, Copy)]
pub(crate) struct JoinRows<'a> {
    pub(crate) map: Map,
    pub(crate) y: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    pub(crate) shortcut: Option<Shortcut<'a>>,
    pub(crate) out: Shared,
}

impl<'a> JoinRows<'a> {
    /// `join` must have been checked against `map`.
    pub(crate) fn new(map: Map, join: Join<'a>) -> JoinRows<'a> {
        let Join { y, scale, shift, shortcut, out } = join;
        JoinRows { map, y, scale, shift, shortcut, out: Shared(out.as_mut_ptr()) }
    }

    /// The result, once made, as a tensor to read.
    pub(crate) fn source(&self) -> Source<'a> {
        Source::Plain(PlainLoad(self.out))
    }

    /// The tensors of the result's shape that are read and written; the shortcut's input where it is of that shape.
    pub(crate) fn tensors(&self) -> [*const f32; 3] {
        let x = self.shortcut.filter(|s| s.stride == 1 && s.channels == self.map.channels);
        [self.y.as_ptr(), self.out.0, x.map_or(std::ptr::null(), |s| s.x.as_ptr())]
    }

    /// Makes the given rows of all images' rows.
    ///
    /// # Safety
    /// `out` must still be borrowed, and no other thread may touch these rows of it.
    #[inline(always)]
    pub(crate) unsafe fn make<S: Simd>(&self, simd: S, rows: Range<usize>) {
        assert!(rows.end <= self.map.images * self.map.height);
        simd.call(Rows { join: self, rows });
    }
}

struct Rows<'a> {
    join: &'a JoinRows<'a>,
    rows: Range<usize>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.join.map.channels;
        for row in self.rows {
            for channel in (0..channels).step_by(S::LANES) {
                // SAFETY: `make` has checked the row, and its caller says that it is this thread's.
                unsafe {
                    if channels - channel < S::LANES {
                        self.join.block::<S, true>(simd, row, channel, channels - channel);
                    } else {
                        self.join.block::<S, false>(simd, row, channel, S::LANES);
                    }
                }
            }
        }
    }
}

impl JoinRows<'_> {
    /// # Safety
    /// As for [`JoinRows::make`]; `row` and `channel` are within the map.
    #[inline(always)]
    unsafe fn block<S: Simd, const PART: bool>(&self, simd: S, row: usize, channel: usize, lanes: usize) {
        let Map { height, width, channels, .. } = self.map;
        let scale = coefficients::<S, PART>(simd, self.scale, channel, lanes);
        let shift = coefficients::<S, PART>(simd, self.shift, channel, lanes);
        let first = row * width * channels + channel;
        let (carry, source, step) = match &self.shortcut {
            None => (Carry::Nothing, std::ptr::null(), 0),
            Some(s) => {
                let from = (row / height * s.height + row % height * s.stride) * s.width * s.channels;
                let carry = Carry::new::<S>(s.spans, false, channel, lanes);
                (carry, s.x[from..].as_ptr(), s.stride * s.channels)
            }
        };
        for x in 0..width {
            let at = first + x * channels;
            // SAFETY: `at` is within the map, whose size `y` and `out` were checked to have; the shortcut's pixel is
            // within its input, since the sizes were checked to be the strided ones.
            unsafe {
                let y = load::<S, PART>(simd, self.y.as_ptr().add(at), lanes);
                let v = carry.add(simd, simd.fma(y, scale, shift), source.wrapping_add(x * step));
                store::<S, PART>(simd, self.out.0.add(at), simd.relu(v), lanes);
            }
        }
    }
}

/// Makes a whole join.
pub(crate) fn join_all(isa: Isa, parts: &mut [Part], join: &JoinRows) {
    let rows = join.map.images * join.map.height;
    let n = parallel::jobs(rows);
    parallel::share(parts, 0..n, |i, _| isa.run(Rows { join, rows: parallel::part(rows, 1, n, i) }));
}
