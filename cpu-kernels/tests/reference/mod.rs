//! The operators in f64, straight from their definitions, and the data that tests run on.

#![allow(dead_code, reason = "each test file uses its own part")]

use cpu_kernels::{Map, Shape, Span};

/// A tensor of f64.
pub type Tensor = Vec<f64>;

/// xorshift64*
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) * n as u64) >> 32) as usize
    }

    /// Multiples of 1/64 between -2 and 2: `scale * y + shift` of such is exact in f32, so that no mask depends on how it is
    /// rounded.
    pub fn exact(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.below(257) as f32 / 64.0 - 2.0).collect()
    }

    /// Any values between -1 and 1.
    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.below(1 << 31) as f32 / (1u64 << 30) as f32 - 1.0).collect()
    }
}

pub fn wide(v: &[f32]) -> Tensor {
    v.iter().map(|v| f64::from(*v)).collect()
}

/// `|found - expected| / |expected|`
pub fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    relative(found.iter().map(|v| f64::from(*v)), expected)
}

pub fn relative(found: impl Iterator<Item = f64>, expected: &[f64]) -> f64 {
    let (mut d, mut n) = (0.0, 0.0);
    for (f, e) in found.zip(expected) {
        d += (f - e) * (f - e);
        n += e * e;
    }
    if d == 0.0 { 0.0 } else { (d / n).sqrt() }
}

/// Calls `f(tap, pixel of the input, pixel of the output)` for all that meet.
fn meet(s: &Shape, mut f: impl FnMut(usize, usize, usize)) {
    let (ho, wo) = (s.height.div_ceil(s.stride), s.width.div_ceil(s.stride));
    for n in 0..s.images {
        for yo in 0..ho {
            for xo in 0..wo {
                for tap in 0..9 {
                    let (y, x) = (yo * s.stride + tap / 3, xo * s.stride + tap % 3);
                    if (1..=s.height).contains(&y) && (1..=s.width).contains(&x) {
                        f(tap, (n * s.height + y - 1) * s.width + x - 1, (n * ho + yo) * wo + xo);
                    }
                }
            }
        }
    }
}

pub fn forward(s: &Shape, x: &[f64], w: &[f32]) -> Tensor {
    let (c, k) = (s.inputs, s.outputs);
    let mut y = vec![0.0; s.output().len()];
    meet(s, |tap, p, q| {
        for i in 0..c {
            for o in 0..k {
                y[q * k + o] += x[p * c + i] * f64::from(w[(tap * c + i) * k + o]);
            }
        }
    });
    y
}

pub fn input_gradient(s: &Shape, g: &[f64], w: &[f32]) -> Tensor {
    let (c, k) = (s.inputs, s.outputs);
    let mut dx = vec![0.0; s.input().len()];
    meet(s, |tap, p, q| {
        for i in 0..c {
            for o in 0..k {
                dx[p * c + i] += g[q * k + o] * f64::from(w[(tap * c + i) * k + o]);
            }
        }
    });
    dx
}

pub fn weight_gradient(s: &Shape, x: &[f64], g: &[f64]) -> Tensor {
    let (c, k) = (s.inputs, s.outputs);
    let mut dw = vec![0.0; 9 * c * k];
    meet(s, |tap, p, q| {
        for i in 0..c {
            for o in 0..k {
                dw[(tap * c + i) * k + o] += x[p * c + i] * g[q * k + o];
            }
        }
    });
    dw
}

/// `scale * y + shift` by channel.
pub fn affine(y: &[f32], scale: &[f32], shift: &[f32]) -> Tensor {
    let c = scale.len();
    y.iter()
        .enumerate()
        .map(|(i, y)| f64::from(*y) * f64::from(scale[i % c]) + f64::from(shift[i % c]))
        .collect()
}

pub fn relu(v: Tensor) -> Tensor {
    v.into_iter().map(|v| v.max(0.0)).collect()
}

/// Calls `f(element of the shortcut's input, element of its result)`.
pub fn shortcut(x: &Map, stride: usize, spans: &[Span], channels: usize, mut f: impl FnMut(usize, usize)) {
    let (h, w) = (x.height.div_ceil(stride), x.width.div_ceil(stride));
    for n in 0..x.images {
        for yo in 0..h {
            for xo in 0..w {
                for s in spans {
                    for i in 0..s.len {
                        f(
                            ((n * x.height + yo * stride) * x.width + xo * stride) * x.channels + s.from + i,
                            ((n * h + yo) * w + xo) * channels + s.to + i,
                        );
                    }
                }
            }
        }
    }
}

/// Disjoint spans from `from` channels into `to` channels.
pub fn spans(random: &mut Random, from: usize, to: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = 4 * random.below(2);
    while at < to {
        let len = (4 + 4 * random.below(6)).min(to - at).min(from);
        spans.push(Span { from: 4 * random.below((from - len) / 4 + 1), to: at, len });
        at += len + 4 * random.below(3);
    }
    spans
}

/// The two sums of each channel: of `v` and of `v * y`.
pub fn sums(v: &[f64], y: &[f64], channels: usize) -> [Tensor; 2] {
    let mut s = [vec![0.0; channels], vec![0.0; channels]];
    for (i, (v, y)) in v.iter().zip(y).enumerate() {
        s[0][i % channels] += v;
        s[1][i % channels] += v * y;
    }
    s
}
