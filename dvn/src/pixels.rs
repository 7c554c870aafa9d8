//! How a picture becomes the network's input: centre crop, antialiased resampling, normalisation. The trainer, the page
//! and the tests all go through here, so that a picture means the same to each of them.

use thiserror::Error;

/// The largest side that [`resize`] makes.
pub const MAX_SIZE: usize = 4096;

/// Why a picture cannot be resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// The picture has no pixels, or more than this machine can number.
    #[error("a picture of {width} x {height} pixels cannot be resized")]
    Dimensions {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// Neither RGB nor RGBA.
    #[error("a picture has 3 or 4 bytes a pixel, not {0}")]
    Channels(usize),
    /// The bytes are not as many as width, height and channels ask for.
    #[error("the picture has {found} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Width x height x channels.
        expected: usize,
    },
    /// The size asked for is 0 or above [`MAX_SIZE`].
    #[error("a picture can be resized to 1 to {MAX_SIZE} pixels, not {0}")]
    Size(usize),
}

/// Crops a picture to the square in its middle and resamples that to `size` x `size`: `rgb` has height x width x
/// `channels` bytes, the result size x size x 3.
///
/// With 4 channels the fourth is opacity (not premultiplied, as a canvas gives it), and the picture is laid over white.
/// Resampling is separable with a triangle filter as wide as the reduction asks for (Pillow's `BILINEAR`), so that
/// reducing averages instead of skipping pixels. A square that has the size already is copied exactly.
///
/// # Errors
/// [`PixelError`] where the arguments do not fit each other.
pub fn resize(
    rgb: &[u8],
    width: usize,
    height: usize,
    channels: usize,
    size: usize,
) -> Result<Vec<u8>, PixelError> {
    let expected = check(width, height, channels, size)?;
    if rgb.len() != expected {
        return Err(PixelError::Length { found: rgb.len(), expected });
    }
    let side = width.min(height);
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let row = |y: usize| {
        let start = ((top + y) * width + left) * channels;
        rgb[start..start + side * channels].chunks_exact(channels)
    };
    if side == size {
        return Ok((0..side).flat_map(|y| row(y).flat_map(opaque)).collect());
    }

    let windows = windows(side, size);
    // Rows first: side x size x 3.
    let mut narrow = vec![0.0f32; side * size * 3];
    let mut line = Vec::with_capacity(side);
    for (y, out) in narrow.chunks_exact_mut(size * 3).enumerate() {
        line.clear();
        line.extend(row(y).map(|pixel| opaque(pixel).map(f32::from)));
        for (window, out) in windows.iter().zip(out.chunks_exact_mut(3)) {
            for (pixel, weight) in line[window.start..].iter().zip(&window.weights) {
                for c in 0..3 {
                    out[c] += weight * pixel[c];
                }
            }
        }
    }
    // Then columns.
    let mut out = Vec::with_capacity(size * size * 3);
    let mut sums = vec![0.0f32; size * 3];
    for window in &windows {
        sums.fill(0.0);
        for (row, weight) in narrow.chunks_exact(size * 3).skip(window.start).zip(&window.weights) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += weight * x;
            }
        }
        out.extend(sums.iter().map(|s| s.round() as u8));
    }
    Ok(out)
}

/// The bytes that a picture must have.
fn check(width: usize, height: usize, channels: usize, size: usize) -> Result<usize, PixelError> {
    if channels != 3 && channels != 4 {
        return Err(PixelError::Channels(channels));
    }
    if size == 0 || size > MAX_SIZE {
        return Err(PixelError::Size(size));
    }
    let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
    match bytes {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(PixelError::Dimensions { width, height }),
    }
}

/// A pixel of 3 or 4 bytes over white.
fn opaque(pixel: &[u8]) -> [u8; 3] {
    let over_white = |x: u8, alpha: u8| {
        let (x, alpha) = (u32::from(x), u32::from(alpha));
        ((x * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    match *pixel {
        [r, g, b, alpha] => [over_white(r, alpha), over_white(g, alpha), over_white(b, alpha)],
        [r, g, b] => [r, g, b],
        _ => unreachable!("a pixel has 3 or 4 bytes: checked on entry"),
    }
}

/// The input pixels from `start` on that one output pixel is the weighted mean of.
struct Window {
    start: usize,
    weights: Vec<f32>,
}

/// A triangle filter for each of `to` output pixels over `from` input pixels.
fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let window = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let start = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weight = |j: usize| (1.0 - ((j as f64 + 0.5 - centre) / support).abs()).max(0.0);
        let sum: f64 = (start..end).map(weight).sum();
        Window { start, weights: (start..end).map(|j| (weight(j) / sum) as f32).collect() }
    };
    (0..to).map(window).collect()
}

/// Bytes to normalised numbers, `(x / 255 - mean) / std`, both height x width x 3.
///
/// # Panics
/// Where `out` is not as long as `rgb`.
pub fn normalise(rgb: &[u8], mean: &[f32; 3], std: &[f32; 3], out: &mut [f32]) {
    assert_eq!(rgb.len(), out.len(), "one number a byte");
    // A byte has few values and a picture many bytes: two divisions for each of the former.
    let number = |c: usize, byte: usize| (byte as f32 / 255.0 - mean[c]) / std[c];
    let tables: [[f32; 256]; 3] = std::array::from_fn(|c| std::array::from_fn(|byte| number(c, byte)));
    for (pixel, out) in rgb.chunks_exact(3).zip(out.chunks_exact_mut(3)) {
        for c in 0..3 {
            out[c] = tables[c][usize::from(pixel[c])];
        }
    }
}

#[cfg(test)]
mod tests;
