//! Reading a tensor with batch norm's part worked out on the way.

use super::{Training, load};
use crate::operands::{Activation, Gradient};
use crate::parallel::Shared;
use crate::simd::Simd;

/// A tensor N H W C and what is done with a value of it.
pub(crate) trait Load: Copy {
    /// The coefficients of one block of channels.
    type Block<S: Simd>: Copy;

    /// The coefficients of the block of `lanes` channels from `channel`.
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> Self::Block<S>;

    /// The values from element `at`, whose channel is that of `block`.
    ///
    /// # Safety
    /// `at + lanes` must be within the tensor.
    unsafe fn load<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &Self::Block<S>,
        at: usize,
        lanes: usize,
    ) -> S::V;
}

/// The values as they are.
#[derive(Clone, Copy)]
pub(crate) struct PlainLoad(pub Shared);

/// `relu(scale * y + shift)`
#[derive(Clone, Copy)]
pub(crate) struct NormReluLoad<'a> {
    _training: Training,
    y: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

/// `a * g + b * y + c`
#[derive(Clone, Copy)]
pub(crate) struct NormGradientLoad<'a> {
    _training: Training,
    g: &'a [f32],
    y: &'a [f32],
    a: &'a [f32],
    b: &'a [f32],
    c: &'a [f32],
}

/// Any of them.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// See [`PlainLoad`].
    Plain(PlainLoad),
    /// See [`NormReluLoad`].
    NormRelu(NormReluLoad<'a>),
    /// See [`NormGradientLoad`].
    NormGradient(NormGradientLoad<'a>),
}

impl<'a> Source<'a> {
    /// A tensor as it is.
    pub(crate) fn plain(x: &'a [f32]) -> Source<'a> {
        Source::Plain(PlainLoad(Shared(x.as_ptr().cast_mut())))
    }

    /// A convolution's input.
    pub(crate) fn activation(activation: Activation<'a>) -> Source<'a> {
        match activation {
            Activation::Plain(x) => Source::plain(x),
            Activation::NormRelu { y, scale, shift } => {
                Source::NormRelu(NormReluLoad { _training: Training::here(), y, scale, shift })
            }
        }
    }

    /// A convolution's output gradient.
    pub(crate) fn gradient(gradient: Gradient<'a>) -> Source<'a> {
        match gradient.norm {
            None => Source::plain(gradient.g),
            Some(n) => Source::NormGradient(NormGradientLoad {
                _training: Training::here(),
                g: gradient.g,
                y: n.y,
                a: n.a,
                b: n.b,
                c: n.c,
            }),
        }
    }

    /// The tensors that are read.
    #[inline(always)]
    pub(crate) fn tensors(&self) -> [*const f32; 2] {
        match self {
            Source::Plain(l) => [l.0.0, std::ptr::null()],
            Source::NormRelu(l) => [l.y.as_ptr(), std::ptr::null()],
            Source::NormGradient(l) => [l.g.as_ptr(), l.y.as_ptr()],
        }
    }
}

/// The coefficients `v[channel..channel + lanes]`.
#[inline(always)]
pub(super) fn coefficients<S: Simd, const PART: bool>(
    simd: S,
    v: &[f32],
    channel: usize,
    lanes: usize,
) -> S::V {
    let v = &v[channel..channel + if PART { lanes } else { S::LANES }];
    // SAFETY: the slice is that long.
    unsafe { load::<S, PART>(simd, v.as_ptr(), lanes) }
}

impl Load for PlainLoad {
    type Block<S: Simd> = ();

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, _: S, _: usize, _: usize) {}

    #[inline(always)]
    unsafe fn load<S: Simd, const PART: bool>(self, simd: S, _: &(), at: usize, lanes: usize) -> S::V {
        // SAFETY: the caller's.
        unsafe { load::<S, PART>(simd, self.0.0.add(at), lanes) }
    }
}

impl Load for NormReluLoad<'_> {
    type Block<S: Simd> = [S::V; 2];

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> [S::V; 2] {
        [
            coefficients::<S, PART>(simd, self.scale, channel, lanes),
            coefficients::<S, PART>(simd, self.shift, channel, lanes),
        ]
    }

    #[inline(always)]
    unsafe fn load<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &[S::V; 2],
        at: usize,
        lanes: usize,
    ) -> S::V {
        // SAFETY: the caller's.
        let y = unsafe { load::<S, PART>(simd, self.y.as_ptr().add(at), lanes) };
        simd.relu(simd.fma(y, block[0], block[1]))
    }
}

impl Load for NormGradientLoad<'_> {
    type Block<S: Simd> = [S::V; 3];

    #[inline(always)]
    fn block<S: Simd, const PART: bool>(self, simd: S, channel: usize, lanes: usize) -> [S::V; 3] {
        [
            coefficients::<S, PART>(simd, self.a, channel, lanes),
            coefficients::<S, PART>(simd, self.b, channel, lanes),
            coefficients::<S, PART>(simd, self.c, channel, lanes),
        ]
    }

    #[inline(always)]
    unsafe fn load<S: Simd, const PART: bool>(
        self,
        simd: S,
        block: &[S::V; 3],
        at: usize,
        lanes: usize,
    ) -> S::V {
        // SAFETY: the caller's; `g` and `y` are of one size.
        let (g, y) = unsafe {
            (
                load::<S, PART>(simd, self.g.as_ptr().add(at), lanes),
                load::<S, PART>(simd, self.y.as_ptr().add(at), lanes),
            )
        };
        simd.fma(g, block[0], simd.fma(y, block[1], block[2]))
    }
}
