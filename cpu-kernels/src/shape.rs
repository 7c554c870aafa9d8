//! Sizes of convolutions and feature maps.

/// Sizes of a 3x3 convolution with padding 1.
///
/// Activations are dense N H W C, weights dense H W I O: `[3][3][inputs][outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Images in the batch.
    pub images: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Input channels: a multiple of 4, or 3 (an RGB image).
    pub inputs: usize,
    /// Output channels, a multiple of 4.
    pub outputs: usize,
    /// Output pixel (y, x) is centred on input pixel (`stride * y`, `stride * x`).
    pub stride: usize,
}

impl Shape {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// The input's map.
    pub fn input(&self) -> Map {
        Map { images: self.images, height: self.height, width: self.width, channels: self.inputs }
    }

    /// The output's map.
    pub fn output(&self) -> Map {
        Map {
            images: self.images,
            height: self.out_height(),
            width: self.out_width(),
            channels: self.outputs,
        }
    }

    /// Elements of the weights.
    pub fn weights(&self) -> usize {
        9 * self.inputs * self.outputs
    }

    /// Multiply-accumulates of a direct convolution, those with padding included.
    pub fn macs(&self) -> u64 {
        self.output().len() as u64 * 9 * self.inputs as u64
    }

    pub(crate) fn check(&self) {
        assert!(self.stride > 0, "the stride is 0");
        assert!(
            self.inputs == 3 || (self.inputs > 0 && self.inputs.is_multiple_of(4)),
            "{} input channels: neither 3 nor a multiple of 4",
            self.inputs
        );
        assert!(
            self.outputs > 0 && self.outputs.is_multiple_of(4),
            "{} output channels: no multiple of 4",
            self.outputs
        );
    }
}

/// Sizes of a batch of feature maps, dense N H W C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Images in the batch.
    pub images: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Map {
    /// Elements of the whole batch.
    #[allow(clippy::len_without_is_empty, reason = "a size, not a collection")]
    pub fn len(&self) -> usize {
        self.images * self.pixels() * self.channels
    }

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    pub(crate) fn check(&self) {
        assert!(self.channels > 0, "a map without channels");
    }
}

/// Stops a call whose slice does not fit its shape.
pub(crate) fn check_len(name: &str, found: usize, expected: usize) {
    assert!(found == expected, "{name} has {found} elements where the shape asks for {expected}");
}
