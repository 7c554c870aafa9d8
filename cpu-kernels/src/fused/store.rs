//! Storing a result with what comes after it worked out on the way.

use super::carry::Carry;
use super::load::coefficients;
use super::{Training, load, store};
use crate::operands::{Shortcut, ShortcutGradient, Span};
use crate::parallel::Shared;
use crate::simd::Simd;

/// A pixel of the result.
#[derive(Clone, Copy)]
pub(crate) struct Pixel {
    pub(crate) image: usize,
    pub(crate) y: usize,
    pub(crate) x: usize,
    /// See [`Store::carried`].
    pub(crate) carried: usize,
}

/// A tensor N H W C and what is done with a value on the way into it.
pub(crate) trait Store: Copy {
    /// The coefficients of one block of channels, and its sums so far.
    type Block<S: Simd>;

    /// Starts the block of `lanes` channels from `channel`.
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> Self::Block<S>;

    /// The element of a shortcut's input at which the pixel starts that it carries over to this one.
    #[inline(always)]
    fn carried(&self, _image: usize, _y: usize, _x: usize) -> usize {
        0
    }

    /// From row to row, and from column to column, how far that is.
    #[inline(always)]
    fn carried_steps(&self) -> [usize; 2] {
        [0, 0]
    }

    /// Stores `v` from element `at`, whose channel is that of `block` and whose pixel is `pixel`.
    ///
    /// # Safety
    /// `at + lanes` must be within the tensor, and no other thread may touch these elements.
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &mut Self::Block<S>,
        v: S::V,
        at: usize,
        pixel: Pixel,
        lanes: usize,
    );

    /// The sums of the block, if any are kept.
    fn sums<S: Simd>(block: &Self::Block<S>) -> Option<[S::V; 2]>;
}

/// Any of them.
#[derive(Clone, Copy)]
pub(crate) enum Sink<'a> {
    /// See [`PlainStore`].
    Plain(PlainStore),
    /// See [`StatisticsStore`].
    Statistics(StatisticsStore),
    /// See [`InferenceStore`].
    Inference(InferenceStore<'a>),
    /// See [`ShortcutStore`].
    Shortcut(ShortcutStore<'a>),
    /// See [`MaskNormReluStore`].
    MaskNormRelu(MaskNormReluStore<'a>),
    /// See [`MaskJoinStore`].
    MaskJoin(MaskJoinStore<'a>),
}

impl Sink<'_> {
    /// The tensors of the result's shape that are read and written.
    #[inline(always)]
    pub(crate) fn tensors(&self) -> [*const f32; 3] {
        const NONE: *const f32 = std::ptr::null();
        match self {
            Sink::Plain(PlainStore(out)) => [out.0, NONE, NONE],
            Sink::Statistics(StatisticsStore(out, _)) => [out.0, NONE, NONE],
            Sink::Inference(s) => [s.out.0, NONE, NONE],
            Sink::Shortcut(s) => [s.inference.out.0, NONE, NONE],
            Sink::MaskNormRelu(s) => [s.out.0, s.y.as_ptr(), NONE],
            Sink::MaskJoin(s) => [s.out.0, s.x.as_ptr(), s.y.as_ptr()],
        }
    }
}

/// The value as it is.
#[derive(Clone, Copy)]
pub(crate) struct PlainStore(pub(crate) Shared);

/// The value as it is; sums of it and of its square.
#[derive(Clone, Copy)]
pub(crate) struct StatisticsStore(pub(crate) Shared, pub(crate) Training);

/// `scale * v + shift`, with a ReLU or not.
#[derive(Clone, Copy)]
pub(crate) struct InferenceStore<'a> {
    pub(crate) out: Shared,
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) relu: bool,
}

/// `scale * v + shift + shortcut`, with a ReLU or not.
#[derive(Clone, Copy)]
pub(crate) struct ShortcutStore<'a> {
    pub(crate) inference: InferenceStore<'a>,
    pub(crate) shortcut: Shortcut<'a>,
}

/// `v` where `scale * y + shift > 0`; sums of it and of its product with `y`.
#[derive(Clone, Copy)]
pub(crate) struct MaskNormReluStore<'a> {
    pub(crate) _training: Training,
    pub(crate) out: Shared,
    pub(crate) y: &'a [f32],
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
}

/// `v + out + shortcut` where `x > 0`; sums of it and of its product with `y`.
#[derive(Clone, Copy)]
pub(crate) struct MaskJoinStore<'a> {
    pub(crate) _training: Training,
    pub(crate) out: Shared,
    pub(crate) x: &'a [f32],
    pub(crate) y: &'a [f32],
    pub(crate) accumulate: bool,
    pub(crate) shortcut: Option<ShortcutGradient<'a>>,
}

/// Adds a block's sums to those of all: `sums` holds both, one after the other.
#[inline(always)]
pub(crate) fn add_sums<S: Simd>(simd: S, block: [S::V; 2], channel: usize, sums: &mut [f64]) {
    let half = sums.len() / 2;
    for (i, v) in block.into_iter().enumerate() {
        let mut t = [0.0f32; 16];
        // SAFETY: a vector has at most 16 lanes.
        unsafe { simd.store(t.as_mut_ptr(), v) };
        for (s, t) in sums[i * half + channel..][..S::LANES].iter_mut().zip(t) {
            *s += f64::from(t);
        }
    }
}

impl Store for PlainStore {
    type Block<S: Simd> = ();

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, _: S, _: usize, _: usize) {}

    #[inline(always)]
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        _: &mut (),
        v: S::V,
        at: usize,
        _: Pixel,
        lanes: usize,
    ) {
        // SAFETY: the caller's.
        unsafe { store::<S, PART>(simd, self.0.0.add(at), v, lanes) }
    }

    #[inline(always)]
    fn sums<S: Simd>(_: &()) -> Option<[S::V; 2]> {
        None
    }
}

impl Store for StatisticsStore {
    type Block<S: Simd> = [S::V; 2];

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, _: usize, _: usize) -> [S::V; 2] {
        [simd.zero(); 2]
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &mut [S::V; 2],
        v: S::V,
        at: usize,
        _: Pixel,
        lanes: usize,
    ) {
        // SAFETY: the caller's.
        unsafe { store::<S, PART>(simd, self.0.0.add(at), v, lanes) };
        *block = [simd.add(block[0], v), simd.fma(v, v, block[1])];
    }

    #[inline(always)]
    fn sums<S: Simd>(block: &[S::V; 2]) -> Option<[S::V; 2]> {
        Some(*block)
    }
}

impl InferenceStore<'_> {
    /// Stores what is done but for the ReLU.
    ///
    /// # Safety
    /// As for [`Store::store`].
    #[inline(always)]
    unsafe fn finish<S: Simd, const PART: bool>(&self, simd: S, v: S::V, at: usize, lanes: usize) {
        let v = if self.relu { simd.relu(v) } else { v };
        // SAFETY: the caller's.
        unsafe { store::<S, PART>(simd, self.out.0.add(at), v, lanes) }
    }
}

impl Store for InferenceStore<'_> {
    type Block<S: Simd> = [S::V; 2];

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> [S::V; 2] {
        [
            coefficients::<S, PART>(simd, self.scale, channel, lanes),
            coefficients::<S, PART>(simd, self.shift, channel, lanes),
        ]
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &mut [S::V; 2],
        v: S::V,
        at: usize,
        _: Pixel,
        lanes: usize,
    ) {
        // SAFETY: the caller's.
        unsafe { self.finish::<S, PART>(simd, simd.fma(v, block[0], block[1]), at, lanes) }
    }

    #[inline(always)]
    fn sums<S: Simd>(_: &[S::V; 2]) -> Option<[S::V; 2]> {
        None
    }
}

/// Coefficients, and where a shortcut's values come from.
pub(crate) struct ShortcutBlock<S: Simd> {
    coefficients: [S::V; 2],
    carry: Carry,
}

impl Store for ShortcutStore<'_> {
    type Block<S: Simd> = ShortcutBlock<S>;

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> ShortcutBlock<S> {
        ShortcutBlock {
            coefficients: self.inference.block::<S, PART>(simd, channel, lanes),
            carry: Carry::new::<S>(self.shortcut.spans, false, channel, lanes),
        }
    }

    #[inline(always)]
    fn carried(&self, image: usize, y: usize, x: usize) -> usize {
        let s = &self.shortcut;
        ((image * s.height + y * s.stride) * s.width + x * s.stride) * s.channels
    }

    #[inline(always)]
    fn carried_steps(&self) -> [usize; 2] {
        let column = self.shortcut.stride * self.shortcut.channels;
        [self.shortcut.width * column, column]
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &mut ShortcutBlock<S>,
        v: S::V,
        at: usize,
        pixel: Pixel,
        lanes: usize,
    ) {
        let v = simd.fma(v, block.coefficients[0], block.coefficients[1]);
        let from = self.shortcut.x.as_ptr().wrapping_add(pixel.carried);
        // SAFETY: the pixel is within the shortcut's input, whose sizes were checked to be the strided ones; the rest is the
        // caller's.
        unsafe { self.inference.finish::<S, PART>(simd, block.carry.add(simd, v, from), at, lanes) }
    }

    #[inline(always)]
    fn sums<S: Simd>(_: &ShortcutBlock<S>) -> Option<[S::V; 2]> {
        None
    }
}

/// Coefficients and sums.
pub(crate) struct MaskNormReluBlock<S: Simd> {
    scale: S::V,
    shift: S::V,
    sums: [S::V; 2],
}

impl Store for MaskNormReluStore<'_> {
    type Block<S: Simd> = MaskNormReluBlock<S>;

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> MaskNormReluBlock<S> {
        MaskNormReluBlock {
            scale: coefficients::<S, PART>(simd, self.scale, channel, lanes),
            shift: coefficients::<S, PART>(simd, self.shift, channel, lanes),
            sums: [simd.zero(); 2],
        }
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &mut MaskNormReluBlock<S>,
        v: S::V,
        at: usize,
        _: Pixel,
        lanes: usize,
    ) {
        // SAFETY: the caller's; `y` is of the result's size.
        let y = unsafe { load::<S, PART>(simd, self.y.as_ptr().add(at), lanes) };
        let g = simd.where_positive(simd.fma(y, block.scale, block.shift), v);
        // SAFETY: the caller's.
        unsafe { store::<S, PART>(simd, self.out.0.add(at), g, lanes) };
        block.sums = [simd.add(block.sums[0], g), simd.fma(g, y, block.sums[1])];
    }

    #[inline(always)]
    fn sums<S: Simd>(block: &MaskNormReluBlock<S>) -> Option<[S::V; 2]> {
        Some(block.sums)
    }
}

/// Where a shortcut's gradient comes from, and sums.
pub(crate) struct MaskJoinBlock<S: Simd> {
    carry: Carry,
    sums: [S::V; 2],
}

impl Store for MaskJoinStore<'_> {
    type Block<S: Simd> = MaskJoinBlock<S>;

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> MaskJoinBlock<S> {
        let spans: &[Span] = self.shortcut.map_or(&[], |s| s.spans);
        MaskJoinBlock { carry: Carry::new::<S>(spans, true, channel, lanes), sums: [simd.zero(); 2] }
    }

    #[inline(always)]
    unsafe fn store<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &mut MaskJoinBlock<S>,
        mut v: S::V,
        at: usize,
        pixel: Pixel,
        lanes: usize,
    ) {
        let out = self.out.0.wrapping_add(at);
        if self.accumulate {
            // SAFETY: the caller's.
            v = simd.add(v, unsafe { load::<S, PART>(simd, out, lanes) });
        }
        if let Some(s) = &self.shortcut
            && pixel.y.is_multiple_of(s.stride)
            && pixel.x.is_multiple_of(s.stride)
        {
            let row = pixel.image * s.height + pixel.y / s.stride;
            let from = (row * s.width + pixel.x / s.stride) * s.channels;
            // SAFETY: the pixel is within the shortcut's gradient, whose sizes were checked to be the strided ones.
            v = unsafe { block.carry.add(simd, v, s.g.as_ptr().add(from)) };
        }
        // SAFETY: the caller's; `x` and `y` are of the result's size.
        unsafe {
            let g = simd.where_positive(load::<S, PART>(simd, self.x.as_ptr().add(at), lanes), v);
            let y = load::<S, PART>(simd, self.y.as_ptr().add(at), lanes);
            store::<S, PART>(simd, out, g, lanes);
            block.sums = [simd.add(block.sums[0], g), simd.fma(g, y, block.sums[1])];
        }
    }

    #[inline(always)]
    fn sums<S: Simd>(block: &MaskJoinBlock<S>) -> Option<[S::V; 2]> {
        Some(block.sums)
    }
}
