//! The operators in their plainest form.

use crate::operands::{Activation, Gradient, Input, InputGradient, Join, Output, Sums};
use crate::shape::{Map, Shape, check_len};
use crate::workspace::Workspace;

/// The convolution of `input` with `weights` (`[3][3][inputs][outputs]`), stored to `y` as `output` says.
pub fn forward(
    ws: &mut Workspace,
    shape: &Shape,
    input: Input,
    weights: &[f32],
    y: &mut [f32],
    output: Output,
) {
    shape.check();
    input.check(&shape.input());
    output.check(&shape.output());
    check_len("the weights", weights.len(), shape.weights());
    check_len("the output", y.len(), shape.output().len());
    let a = &mut Vec::new();
    let _ = ws;
    let x: &[f32] = match input {
        Input::Plain(x) => x,
        Input::NormRelu { y, scale, shift } => {
            activation(Activation::NormRelu { y, scale, shift }, shape.inputs, a)
        }
        Input::Join(j) => {
            join_rows(&shape.input(), j.y, j.scale, j.shift, j.shortcut.as_ref(), j.out);
            j.out
        }
    };
    let (ho, wo, ci, co) = (shape.out_height(), shape.out_width(), shape.inputs, shape.outputs);
    for n in 0..shape.images {
        for yo in 0..ho {
            for xo in 0..wo {
                let out = &mut y[((n * ho + yo) * wo + xo) * co..][..co];
                out.fill(0.0);
                taps(shape, n, yo, xo, |tap, at| {
                    for c in 0..ci {
                        let w = &weights[(tap * ci + c) * co..][..co];
                        out.iter_mut().zip(w).for_each(|(o, w)| *o += x[at + c] * w);
                    }
                });
            }
        }
    }
    match output {
        Output::Plain => {}
        Output::Statistics(sums) => add_up(sums, co, y, y),
        Output::Inference { scale, shift, shortcut, relu } => {
            for p in y.chunks_mut(co) {
                for ((v, s), t) in p.iter_mut().zip(scale).zip(shift) {
                    *v = *v * s + t;
                }
            }
            if let Some(s) = &shortcut {
                add_shortcut(&shape.output(), s, y);
            }
            if relu {
                y.iter_mut().for_each(|v| *v = v.max(0.0));
            }
        }
    }
}

/// The gradient of a convolution's input from that of its output, stored to `dx` as `store` says.
pub fn input_gradient(
    ws: &mut Workspace,
    shape: &Shape,
    gradient: Gradient,
    weights: &[f32],
    dx: &mut [f32],
    store: InputGradient,
) {
    shape.check();
    gradient.check(&shape.output());
    store.check(&shape.input());
    check_len("the weights", weights.len(), shape.weights());
    check_len("the input's gradient", dx.len(), shape.input().len());
    let (a, b) = (&mut Vec::new(), &mut Vec::new());
    let _ = ws;
    let g = load_gradient(gradient, shape.outputs, a);
    b.clear();
    b.resize(dx.len(), 0.0);
    let (ho, wo, ci, co) = (shape.out_height(), shape.out_width(), shape.inputs, shape.outputs);
    for n in 0..shape.images {
        for yo in 0..ho {
            for xo in 0..wo {
                let g = &g[((n * ho + yo) * wo + xo) * co..][..co];
                taps(shape, n, yo, xo, |tap, at| {
                    for c in 0..ci {
                        let w = &weights[(tap * ci + c) * co..][..co];
                        b[at + c] += g.iter().zip(w).map(|(g, w)| g * w).sum::<f32>();
                    }
                });
            }
        }
    }
    match store {
        InputGradient::Plain => dx.copy_from_slice(b),
        InputGradient::MaskNormRelu { y, scale, shift, sums } => {
            for (i, (d, t)) in dx.iter_mut().zip(b.iter()).enumerate() {
                *d = if y[i] * scale[i % ci] + shift[i % ci] > 0.0 { *t } else { 0.0 };
            }
            add_up(sums, ci, dx, y);
        }
        InputGradient::MaskJoin { x, y, sums, accumulate, shortcut } => {
            for (d, t) in dx.iter_mut().zip(b.iter()) {
                *d = if accumulate { *d + t } else { *t };
            }
            if let Some(s) = &shortcut {
                for n in 0..shape.images {
                    for yo in 0..s.height {
                        for xo in 0..s.width {
                            let g = &s.g[((n * s.height + yo) * s.width + xo) * s.channels..][..s.channels];
                            let at = ((n * shape.height + yo * s.stride) * shape.width + xo * s.stride) * ci;
                            for q in s.spans {
                                for k in 0..q.len {
                                    dx[at + q.from + k] += g[q.to + k];
                                }
                            }
                        }
                    }
                }
            }
            dx.iter_mut().zip(x).for_each(|(d, x)| *d = if *x > 0.0 { *d } else { 0.0 });
            add_up(sums, ci, dx, y);
        }
    }
}

/// The gradient of the weights: overwrites `dw` (`[3][3][inputs][outputs]`).
pub fn weight_gradient(
    ws: &mut Workspace,
    shape: &Shape,
    input: Activation,
    gradient: Gradient,
    dw: &mut [f32],
) {
    shape.check();
    input.check(&shape.input());
    gradient.check(&shape.output());
    check_len("the weights' gradient", dw.len(), shape.weights());
    let (a, b) = (&mut Vec::new(), &mut Vec::new());
    let _ = ws;
    let x = activation(input, shape.inputs, a);
    let g = load_gradient(gradient, shape.outputs, b);
    let (ho, wo, ci, co) = (shape.out_height(), shape.out_width(), shape.inputs, shape.outputs);
    dw.fill(0.0);
    for n in 0..shape.images {
        for yo in 0..ho {
            for xo in 0..wo {
                let g = &g[((n * ho + yo) * wo + xo) * co..][..co];
                taps(shape, n, yo, xo, |tap, at| {
                    for c in 0..ci {
                        let d = &mut dw[(tap * ci + c) * co..][..co];
                        d.iter_mut().zip(g).for_each(|(d, g)| *d += x[at + c] * g);
                    }
                });
            }
        }
    }
}

/// The end of a residual block without a convolution behind it: `out = relu(scale * y + shift + shortcut)`.
pub fn join(_ws: &mut Workspace, map: &Map, join: Join) {
    join.check(map);
    join_rows(map, join.y, join.scale, join.shift, join.shortcut.as_ref(), join.out);
}

/// The mean over all pixels: `x` is `[images][height][width][channels]`, `pooled` `[images][channels]`.
pub fn average_pool(_ws: &mut Workspace, map: &Map, x: &[f32], pooled: &mut [f32]) {
    check_len("the pool's input", x.len(), map.len());
    check_len("the pool's output", pooled.len(), map.images * map.channels);
    pooled.fill(0.0);
    for (n, p) in pooled.chunks_mut(map.channels).enumerate() {
        for x in x[n * map.pixels() * map.channels..][..map.pixels() * map.channels].chunks(map.channels) {
            p.iter_mut().zip(x).for_each(|(p, x)| *p += x);
        }
        p.iter_mut().for_each(|p| *p /= map.pixels() as f32);
    }
}

/// The gradient at the end `x` of the last block from that of its pooled features: `dx = pooled / pixels` where `x > 0`,
/// else 0. `sums` get the sums of `dx` and of `dx * y`, with `y` what the [`join`] that made `x` read.
pub fn average_pool_gradient(
    _ws: &mut Workspace,
    map: &Map,
    pooled: &[f32],
    x: &[f32],
    y: &[f32],
    dx: &mut [f32],
    sums: &mut Sums,
) {
    check_len("the pooled gradient", pooled.len(), map.images * map.channels);
    check_len("the mask's x", x.len(), map.len());
    check_len("the mask's y", y.len(), map.len());
    check_len("the input's gradient", dx.len(), map.len());
    for (i, (d, x)) in dx.iter_mut().zip(x).enumerate() {
        let (n, c) = (i / (map.pixels() * map.channels), i % map.channels);
        *d = if *x > 0.0 { pooled[n * map.channels + c] / map.pixels() as f32 } else { 0.0 };
    }
    add_up(sums, map.channels, dx, y);
}

/// Calls `f(tap, first element of the input's pixel)` for each tap that falls on the input.
fn taps(shape: &Shape, n: usize, yo: usize, xo: usize, mut f: impl FnMut(usize, usize)) {
    for r in 0..3 {
        let yi = (yo * shape.stride + r).wrapping_sub(1);
        for s in 0..3 {
            let xi = (xo * shape.stride + s).wrapping_sub(1);
            if yi < shape.height && xi < shape.width {
                f(r * 3 + s, ((n * shape.height + yi) * shape.width + xi) * shape.inputs);
            }
        }
    }
}

fn activation<'a>(input: Activation<'a>, channels: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
    match input {
        Activation::Plain(x) => x,
        Activation::NormRelu { y, scale, shift } => {
            scratch.clear();
            scratch.extend(
                y.iter().enumerate().map(|(i, v)| (v * scale[i % channels] + shift[i % channels]).max(0.0)),
            );
            scratch
        }
    }
}

fn load_gradient<'a>(gradient: Gradient<'a>, channels: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
    let Some(n) = gradient.norm else { return gradient.g };
    scratch.clear();
    scratch.extend(gradient.g.iter().zip(n.y).enumerate().map(|(i, (g, y))| {
        let c = i % channels;
        n.a[c] * g + n.b[c] * y + n.c[c]
    }));
    scratch
}

fn join_rows(
    map: &Map,
    y: &[f32],
    scale: &[f32],
    shift: &[f32],
    shortcut: Option<&crate::Shortcut>,
    out: &mut [f32],
) {
    for (i, (o, y)) in out.iter_mut().zip(y).enumerate() {
        *o = y * scale[i % map.channels] + shift[i % map.channels];
    }
    if let Some(s) = shortcut {
        add_shortcut(map, s, out);
    }
    out.iter_mut().for_each(|v| *v = v.max(0.0));
}

fn add_shortcut(map: &Map, s: &crate::Shortcut, out: &mut [f32]) {
    for (i, o) in out.chunks_mut(map.channels).enumerate() {
        let (n, yo, xo) = (i / map.pixels(), i / map.width % map.height, i % map.width);
        let x = &s.x[((n * s.height + yo * s.stride) * s.width + xo * s.stride) * s.channels..][..s.channels];
        for q in s.spans {
            o[q.to..q.to + q.len].iter_mut().zip(&x[q.from..]).for_each(|(o, x)| *o += x);
        }
    }
}

fn add_up(sums: &mut Sums, channels: usize, v: &[f32], y: &[f32]) {
    for s in [&mut sums.sum, &mut sums.product] {
        s.clear();
        s.resize(channels, 0.0);
    }
    for (v, y) in v.chunks(channels).zip(y.chunks(channels)) {
        for c in 0..channels {
            sums.sum[c] += v[c] as f64;
            sums.product[c] += v[c] as f64 * y[c] as f64;
        }
    }
}
