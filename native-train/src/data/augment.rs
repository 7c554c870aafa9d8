//! Augmentation of training images: random crop of the zero-padded image, horizontal flip, cutout.

use super::rng::Rng;
use super::{Scale, Statistics};

/// What to do to a training image. Sizes are pixels of the full-size image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augment {
    /// Zeros (in normalised space) added on each side before a crop back to the image's size; 0: no crop.
    pub pad: usize,
    /// Whether half the images are mirrored left to right.
    pub flip: bool,
    /// Side of the square that is set to zero around a random pixel, clipped at the edges (DeVries and Taylor 2017);
    /// 0: none.
    pub cutout: usize,
}

impl Augment {
    /// Crop and flip as He et al. (2016) do on CIFAR: padding of an eighth of the size, 4 at 32.
    pub fn standard(size: usize) -> Self {
        Augment { pad: size / 8, flip: true, cutout: 0 }
    }

    /// Leaves images as they are.
    pub fn none() -> Self {
        Augment { pad: 0, flip: false, cutout: 0 }
    }

    /// Draws one image's transformation. Every draw is made whatever the settings, so that switching one off leaves the
    /// others as they were.
    pub(crate) fn draw(&self, size: usize, rng: &mut Rng) -> Transform {
        let (down, right) = (rng.below(2 * self.pad + 1), rng.below(2 * self.pad + 1));
        let flip = rng.bits() >> 63 == 1;
        let (y, x) = (rng.below(size), rng.below(size));
        Transform {
            down: down as isize - self.pad as isize,
            right: right as isize - self.pad as isize,
            flip: self.flip && flip,
            hole: (self.cutout > 0).then(|| Hole::around(y, x, self.cutout, size)),
        }
    }
}

/// One image's transformation: output pixel (y, x) is source pixel (y + down, x + right), then mirrored, then the hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transform {
    pub(crate) down: isize,
    pub(crate) right: isize,
    pub(crate) flip: bool,
    pub(crate) hole: Option<Hole>,
}

/// A rectangle of the output: rows `top..bottom`, columns `left..right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) top: usize,
    pub(crate) bottom: usize,
    pub(crate) left: usize,
    pub(crate) right: usize,
}

impl Hole {
    fn around(y: usize, x: usize, side: usize, size: usize) -> Self {
        let from = |c: usize| c.saturating_sub(side / 2);
        let to = |c: usize| (c + side - side / 2).min(size);
        Hole { top: from(y), bottom: to(y), left: from(x), right: to(x) }
    }
}

/// Bytes to normalised numbers, `(x / 255 - mean) / std`, one table a channel.
#[derive(Clone, Debug)]
pub(crate) struct Normaliser([[f32; 256]; 3]);

impl Normaliser {
    pub(crate) fn new(statistics: &Statistics) -> Self {
        let table =
            |c: usize| std::array::from_fn(|x| (x as f32 / 255.0 - statistics.mean[c]) / statistics.std[c]);
        Normaliser([table(0), table(1), table(2)])
    }

    fn pixel(&self, source: &[u8], out: &mut [f32]) {
        for c in 0..3 {
            out[c] = self.0[c][usize::from(source[c])];
        }
    }
}

/// Writes one image, transformed and normalised, into `out` in H W C order: size x size x 3 numbers at full scale, a
/// quarter of that, means of 2 x 2 pixels of the transformed image, at half scale. `full` is scratch space.
pub(crate) fn apply(
    transform: &Transform,
    source: &[u8],
    size: usize,
    normaliser: &Normaliser,
    scale: Scale,
    full: &mut Vec<f32>,
    out: &mut [f32],
) {
    match scale {
        Scale::Full => write_full(transform, source, size, normaliser, out),
        Scale::Half => {
            full.resize(size * size * 3, 0.0);
            write_full(transform, source, size, normaliser, full);
            halve(full, size, out);
        }
    }
}

fn write_full(transform: &Transform, source: &[u8], size: usize, normaliser: &Normaliser, out: &mut [f32]) {
    debug_assert_eq!((source.len(), out.len()), (size * size * 3, size * size * 3));
    out.fill(0.0);
    let (rows, columns) = (inside(transform.down, size), inside(transform.right, size));
    for y in rows {
        let from = (y as isize + transform.down) as usize * size;
        for x in columns.clone() {
            let source_at = (from + (x as isize + transform.right) as usize) * 3;
            let at = (y * size + if transform.flip { size - 1 - x } else { x }) * 3;
            normaliser.pixel(&source[source_at..source_at + 3], &mut out[at..at + 3]);
        }
    }
    if let Some(hole) = &transform.hole {
        for y in hole.top..hole.bottom {
            out[(y * size + hole.left) * 3..(y * size + hole.right) * 3].fill(0.0);
        }
    }
}

/// The output places whose source place, `shift` further, lies inside the image.
fn inside(shift: isize, size: usize) -> std::ops::Range<usize> {
    let size = size as isize;
    let start = (-shift).clamp(0, size);
    start as usize..(size - shift).clamp(start, size) as usize
}

/// Means of 2 x 2 pixels; of an odd `size` the last row and column are left out.
fn halve(full: &[f32], size: usize, out: &mut [f32]) {
    let half = size / 2;
    for y in 0..half {
        for x in 0..half {
            for c in 0..3 {
                let at = |dy: usize, dx: usize| full[((2 * y + dy) * size + 2 * x + dx) * 3 + c];
                out[(y * half + x) * 3 + c] = (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) * 0.25;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATISTICS: Statistics = Statistics { mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] };

    /// The same by the book: pad, crop, mirror, cut out, as separate images.
    fn naive(t: &Transform, source: &[u8], size: usize, pad: usize) -> Vec<f32> {
        let wide = size + 2 * pad;
        let mut padded = vec![0.0f32; wide * wide * 3];
        for y in 0..size {
            for x in 0..size {
                for c in 0..3 {
                    padded[((y + pad) * wide + x + pad) * 3 + c] =
                        (f32::from(source[(y * size + x) * 3 + c]) / 255.0 - STATISTICS.mean[c])
                            / STATISTICS.std[c];
                }
            }
        }
        let (top, left) = ((pad as isize + t.down) as usize, (pad as isize + t.right) as usize);
        let mut out = Vec::new();
        for y in 0..size {
            for x in 0..size {
                let from = if t.flip { size - 1 - x } else { x };
                let hidden = t
                    .hole
                    .as_ref()
                    .is_some_and(|h| (h.top..h.bottom).contains(&y) && (h.left..h.right).contains(&x));
                for c in 0..3 {
                    out.push(if hidden { 0.0 } else { padded[((y + top) * wide + from + left) * 3 + c] });
                }
            }
        }
        out
    }

    fn picture(size: usize) -> Vec<u8> {
        let mut rng = Rng::keyed(&[99]);
        (0..size * size * 3).map(|_| rng.bits() as u8).collect()
    }

    #[test]
    fn augmentation_is_that_of_the_naive_one() {
        let normaliser = Normaliser::new(&STATISTICS);
        for size in [8, 12, 32] {
            let source = picture(size);
            for k in 0..200 {
                let augment =
                    Augment { pad: size / 8 + (k as usize % 3), flip: true, cutout: k as usize % 7 };
                let t = augment.draw(size, &mut Rng::keyed(&[k]));
                let expected = naive(&t, &source, size, augment.pad);
                let mut out = vec![7.0; size * size * 3];
                apply(&t, &source, size, &normaliser, Scale::Full, &mut Vec::new(), &mut out);
                assert_eq!(out, expected, "size {size}, draw {k}: {t:?}");
                let half = size / 2;
                let mut small = vec![7.0; half * half * 3];
                apply(&t, &source, size, &normaliser, Scale::Half, &mut vec![3.0; 5], &mut small);
                for (at, got) in small.iter().enumerate() {
                    let (y, x, c) = (at / 3 / half, at / 3 % half, at % 3);
                    let mean: f32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
                        .iter()
                        .map(|(dy, dx)| expected[((2 * y + dy) * size + 2 * x + dx) * 3 + c] / 4.0)
                        .sum();
                    assert!((got - mean).abs() < 1e-5, "{got} is not {mean}");
                }
            }
        }
    }

    #[test]
    fn draws_reach_every_shift_and_both_sides() {
        let augment = Augment { cutout: 8, ..Augment::standard(32) };
        let mut rng = Rng::keyed(&[1]);
        let draws: Vec<_> = (0..4000).map(|_| augment.draw(32, &mut rng)).collect();
        for shift in -4..=4 {
            // 444 expected, standard deviation 20.
            let count = draws.iter().filter(|d| d.down == shift).count();
            assert!((340..550).contains(&count), "down {shift}: {count}");
            let count = draws.iter().filter(|d| d.right == shift).count();
            assert!((340..550).contains(&count), "right {shift}: {count}");
        }
        let flipped = draws.iter().filter(|d| d.flip).count();
        assert!((1850..2150).contains(&flipped), "{flipped}");
        let holes: Vec<Hole> = draws.iter().filter_map(|d| d.hole).collect();
        assert!(holes.iter().all(|h| h.bottom <= 32 && h.right <= 32 && h.bottom - h.top <= 8));
        assert!(holes.iter().any(|h| h.top == 0 && h.bottom == 4) && holes.iter().any(|h| h.left == 27));
    }

    #[test]
    fn switching_one_part_off_leaves_the_other_draws_as_they_were() {
        let with = Augment { cutout: 8, ..Augment::standard(32) }.draw(32, &mut Rng::keyed(&[4]));
        let without = Augment { flip: false, ..Augment::standard(32) }.draw(32, &mut Rng::keyed(&[4]));
        assert_eq!((with.down, with.right), (without.down, without.right));
    }

    #[test]
    fn without_augmentation_only_the_normalisation_remains() {
        let source = picture(8);
        let t = Augment::none().draw(8, &mut Rng::keyed(&[4]));
        let mut out = vec![0.0; source.len()];
        apply(&t, &source, 8, &Normaliser::new(&STATISTICS), Scale::Full, &mut Vec::new(), &mut out);
        for (at, (x, y)) in source.iter().zip(&out).enumerate() {
            assert_eq!(*y, (f32::from(*x) / 255.0 - STATISTICS.mean[at % 3]) / STATISTICS.std[at % 3]);
        }
    }
}
