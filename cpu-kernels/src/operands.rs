//! What the operators read and write besides plain tensors: the fused neighbours of a convolution.

use crate::shape::{Map, check_len};

/// A run of channels that a parameter-free shortcut carries over; all three are multiples of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First channel in the shortcut's input.
    pub from: usize,
    /// First channel in its result.
    pub to: usize,
    /// Channels.
    pub len: usize,
}

/// A parameter-free shortcut (He et al., "Deep Residual Learning", option A): every `stride`-th pixel of `x`; the
/// result's channels that no span names get nothing.
///
/// `result[n, y, x, to..to+len] += x[n, stride*y, stride*x, from..from+len]` for each span; spans do not overlap.
#[derive(Clone, Copy, Debug)]
pub struct Shortcut<'a> {
    /// The shortcut's input, `[images][height][width][channels]`.
    pub x: &'a [f32],
    /// Rows of `x`.
    pub height: usize,
    /// Columns of `x`.
    pub width: usize,
    /// Channels of `x`.
    pub channels: usize,
    /// Which pixels are taken; the result has `height / stride`, rounded up, rows.
    pub stride: usize,
    /// Which channels go where.
    pub spans: &'a [Span],
}

/// The gradient that comes back through a [`Shortcut`].
///
/// `dx[n, stride*y, stride*x, from..from+len] += g[n, y, x, to..to+len]` for each span.
#[derive(Clone, Copy, Debug)]
pub struct ShortcutGradient<'a> {
    /// The gradient of the shortcut's result, `[images][height][width][channels]`.
    pub g: &'a [f32],
    /// Rows of `g`.
    pub height: usize,
    /// Columns of `g`.
    pub width: usize,
    /// Channels of `g`.
    pub channels: usize,
    /// Which pixels of `dx` were taken.
    pub stride: usize,
    /// Which channels went where.
    pub spans: &'a [Span],
}

/// The end of a residual block: `out = relu(scale * y + shift + shortcut)`.
#[derive(Debug)]
pub struct Join<'a> {
    /// The block's last convolution before its batch norm, of the shape of `out`.
    pub y: &'a [f32],
    /// Batch norm's factor of each channel.
    pub scale: &'a [f32],
    /// Batch norm's offset of each channel.
    pub shift: &'a [f32],
    /// The block's shortcut; a stem has none.
    pub shortcut: Option<Shortcut<'a>>,
    /// The block's output.
    pub out: &'a mut [f32],
}

/// How a convolution's input is read by a later pass over the same layer.
#[derive(Clone, Copy, Debug)]
pub enum Activation<'a> {
    /// As it is.
    Plain(&'a [f32]),
    /// `relu(scale * y + shift)`, worked out while loading; padding stays zero.
    NormRelu {
        /// The convolution before, without its batch norm.
        y: &'a [f32],
        /// Batch norm's factor of each channel.
        scale: &'a [f32],
        /// Batch norm's offset of each channel.
        shift: &'a [f32],
    },
}

/// How the forward pass reads its input.
#[derive(Debug)]
pub enum Input<'a> {
    /// As it is.
    Plain(&'a [f32]),
    /// `relu(scale * y + shift)`, worked out while loading; padding stays zero.
    NormRelu {
        /// The convolution before, without its batch norm.
        y: &'a [f32],
        /// Batch norm's factor of each channel.
        scale: &'a [f32],
        /// Batch norm's offset of each channel.
        shift: &'a [f32],
    },
    /// The end of the block before, made row by row just ahead of its use and left in [`Join::out`].
    Join(Join<'a>),
}

/// Two sums over all images and pixels for each channel. Each call overwrites them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Sum of the tensor that was written.
    pub sum: Vec<f64>,
    /// Forward: sum of its squares. Backward: sum of its products with the operand `y`.
    pub product: Vec<f64>,
}

/// What the forward pass does with the convolution on storing it.
#[derive(Debug)]
pub enum Output<'a> {
    /// Nothing.
    Plain,
    /// Leaves the sum and the sum of squares of each output channel, for batch norm.
    Statistics(&'a mut Sums),
    /// `y = relu(scale * convolution + shift + shortcut)`: batch norm folded, for inference.
    Inference {
        /// Factor of each output channel.
        scale: &'a [f32],
        /// Offset of each output channel.
        shift: &'a [f32],
        /// Added before the ReLU.
        shortcut: Option<Shortcut<'a>>,
        /// Whether there is a ReLU.
        relu: bool,
    },
}

/// Batch norm's part in a gradient on loading it: `a * g + b * y + c` for each channel.
#[derive(Clone, Copy, Debug)]
pub struct NormGradient<'a> {
    /// The convolution's output, before its batch norm.
    pub y: &'a [f32],
    /// Factor of the gradient.
    pub a: &'a [f32],
    /// Factor of `y`.
    pub b: &'a [f32],
    /// Offset.
    pub c: &'a [f32],
}

/// The gradient of a convolution's output.
#[derive(Clone, Copy, Debug)]
pub struct Gradient<'a> {
    /// `g`, of the output's shape: the gradient itself, or with `norm` the gradient of batch norm's output.
    pub g: &'a [f32],
    /// Worked out while loading.
    pub norm: Option<NormGradient<'a>>,
}

/// What is done with the input gradient `t` (the transposed convolution) on storing it to `dx`.
#[derive(Debug)]
pub enum InputGradient<'a> {
    /// `dx = t`.
    Plain,
    /// The input was `relu(scale * y + shift)`: `dx = t` where `scale * y + shift > 0`, else 0.
    MaskNormRelu {
        /// The convolution before, without its batch norm.
        y: &'a [f32],
        /// Batch norm's factor of each channel.
        scale: &'a [f32],
        /// Batch norm's offset of each channel.
        shift: &'a [f32],
        /// Left: the sums of `dx` and of `dx * y`.
        sums: &'a mut Sums,
    },
    /// The input `x` was the end of a block, a [`Join`]: `dx = t + what was in dx (if accumulate) + shortcut` where
    /// `x > 0`, else 0.
    MaskJoin {
        /// The convolution's input.
        x: &'a [f32],
        /// The convolution before, without its batch norm: what the join read as its `y`.
        y: &'a [f32],
        /// Left: the sums of `dx` and of `dx * y`.
        sums: &'a mut Sums,
        /// Whether `dx` holds a gradient already: that of a shortcut which keeps the shape.
        accumulate: bool,
        /// The gradient through this block's shortcut, where it changes the shape.
        shortcut: Option<ShortcutGradient<'a>>,
    },
}

impl Shortcut<'_> {
    pub(crate) fn check(&self, result: &Map) {
        let Shortcut { x, height, width, channels, stride, spans } = *self;
        check_shortcut(
            (height, width, channels),
            (result.height, result.width, result.channels),
            stride,
            spans,
        );
        check_len("the shortcut's input", x.len(), result.images * height * width * channels);
    }
}

impl ShortcutGradient<'_> {
    pub(crate) fn check(&self, dx: &Map) {
        let ShortcutGradient { g, height, width, channels, stride, spans } = *self;
        check_shortcut((dx.height, dx.width, dx.channels), (height, width, channels), stride, spans);
        check_len("the shortcut's gradient", g.len(), dx.images * height * width * channels);
    }
}

/// Sizes are (height, width, channels).
fn check_shortcut(from: (usize, usize, usize), to: (usize, usize, usize), stride: usize, spans: &[Span]) {
    assert!(stride > 0, "the shortcut's stride is 0");
    assert!(
        from.0.div_ceil(stride) == to.0 && from.1.div_ceil(stride) == to.1,
        "a shortcut of stride {stride} from {} x {} to {} x {}",
        from.0,
        from.1,
        to.0,
        to.1
    );
    for s in spans {
        assert!(
            [s.from, s.to, s.len].iter().all(|v| v.is_multiple_of(4)),
            "the span {s:?} is not cut at multiples of 4"
        );
        assert!(
            s.from + s.len <= from.2 && s.to + s.len <= to.2,
            "the span {s:?} leaves {} or {} channels",
            from.2,
            to.2
        );
    }
}

impl Join<'_> {
    pub(crate) fn check(&self, map: &Map) {
        check_len("the join's y", self.y.len(), map.len());
        check_len("the join's scale", self.scale.len(), map.channels);
        check_len("the join's shift", self.shift.len(), map.channels);
        check_len("the join's output", self.out.len(), map.len());
        if let Some(s) = &self.shortcut {
            s.check(map);
        }
    }
}

impl Activation<'_> {
    pub(crate) fn check(&self, map: &Map) {
        match self {
            Activation::Plain(x) => check_len("the input", x.len(), map.len()),
            Activation::NormRelu { y, scale, shift } => {
                check_len("the input", y.len(), map.len());
                check_len("the input's scale", scale.len(), map.channels);
                check_len("the input's shift", shift.len(), map.channels);
            }
        }
    }
}

impl Input<'_> {
    pub(crate) fn check(&self, map: &Map) {
        match self {
            Input::Plain(x) => Activation::Plain(x).check(map),
            Input::NormRelu { y, scale, shift } => Activation::NormRelu { y, scale, shift }.check(map),
            Input::Join(join) => join.check(map),
        }
    }
}

impl Output<'_> {
    pub(crate) fn check(&self, map: &Map) {
        if let Output::Inference { scale, shift, shortcut, .. } = self {
            check_len("the output's scale", scale.len(), map.channels);
            check_len("the output's shift", shift.len(), map.channels);
            if let Some(s) = shortcut {
                s.check(map);
            }
        }
    }
}

impl Gradient<'_> {
    pub(crate) fn check(&self, map: &Map) {
        check_len("the output's gradient", self.g.len(), map.len());
        if let Some(n) = &self.norm {
            check_len("the gradient's y", n.y.len(), map.len());
            for (name, v) in [("a", n.a), ("b", n.b), ("c", n.c)] {
                check_len(&format!("the gradient's {name}"), v.len(), map.channels);
            }
        }
    }
}

impl InputGradient<'_> {
    pub(crate) fn check(&self, map: &Map) {
        match self {
            InputGradient::Plain => {}
            InputGradient::MaskNormRelu { y, scale, shift, .. } => {
                check_len("the mask's y", y.len(), map.len());
                check_len("the mask's scale", scale.len(), map.channels);
                check_len("the mask's shift", shift.len(), map.channels);
            }
            InputGradient::MaskJoin { x, y, shortcut, .. } => {
                check_len("the mask's x", x.len(), map.len());
                check_len("the mask's y", y.len(), map.len());
                if let Some(s) = shortcut {
                    s.check(map);
                }
            }
        }
    }
}
