//! Every operator, in every fused form and on every instruction set here, against its definition in f64.

mod reference;

use cpu_kernels::{
    Activation, Gradient, Input, InputGradient, Isa, Join, Map, NormGradient, Output, Shape, Shortcut,
    ShortcutGradient, Sums, Workspace,
};
use proptest::prelude::*;
use reference::{Random, Tensor, affine, error, relative, relu, wide};

const FORWARD: f64 = 3e-6;
const WEIGHTS: f64 = 5e-6;

/// Runs `f` for every instruction set, on one thread and on three.
fn everywhere(f: impl Fn(&mut Workspace) + Sync) {
    for isa in Isa::available() {
        for threads in [1, 3] {
            with_threads(threads, || f(&mut Workspace::with_isa(isa)));
        }
    }
    f(&mut Workspace::new());
}

#[cfg(feature = "threads")]
fn with_threads(n: usize, f: impl FnOnce() + Send) {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool of threads").install(f);
}

#[cfg(not(feature = "threads"))]
fn with_threads(_: usize, f: impl FnOnce() + Send) {
    f();
}

/// Mostly small; from 68 channels on there is more than a panel of any instruction set.
fn shapes() -> impl Strategy<Value = (Shape, u64)> {
    let channels = || prop_oneof![8 => 1usize..14, 1 => 17usize..29].prop_map(|c| 4 * c);
    let inputs = prop_oneof![9 => channels(), 2 => Just(3)];
    let stride = prop_oneof![4 => Just(1usize), 3 => Just(2), 1 => Just(3)];
    (1usize..4, 1usize..19, 1usize..19, inputs, channels(), stride, any::<u64>()).prop_map(
        |(images, height, width, inputs, outputs, stride, seed)| {
            (Shape { images, height, width, inputs, outputs, stride }, seed)
        },
    )
}

/// The sums of `n` values of about 1 in f32 tile rows.
fn assert_sums(found: &Sums, v: &[f64], y: &[f64], channels: usize, what: &str) {
    let expected = reference::sums(v, y, channels);
    // Sums of values of both signs may cancel: measured against the sum of their sizes.
    let size = |t: Tensor| t.iter().map(|v| v.abs()).collect::<Tensor>();
    let sizes = reference::sums(&size(v.to_vec()), &size(y.to_vec()), channels);
    for (i, found) in [&found.sum, &found.product].into_iter().enumerate() {
        assert_eq!(found.len(), channels);
        for c in 0..channels {
            let off = (found[c] - expected[i][c]).abs();
            assert!(
                off <= 1e-5 * sizes[i][c] + 1e-12,
                "{what}: sum {i} of channel {c}: {} instead of {}",
                found[c],
                expected[i][c]
            );
        }
    }
}

fn assert_close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    let e = error(found, expected);
    assert!(e <= tolerance, "{what}: relative error {e:e}");
}

/// An input in each of its forms, as f64.
struct Data {
    y: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    plain: Tensor,
    normed: Tensor,
}

impl Data {
    fn new(random: &mut Random, map: &Map) -> Data {
        let y = random.exact(map.len());
        let (scale, shift) = (random.exact(map.channels), random.exact(map.channels));
        let (plain, normed) = (wide(&y), relu(affine(&y, &scale, &shift)));
        Data { y, scale, shift, plain, normed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forward_is_the_convolution((shape, seed) in shapes()) {
        let mut random = Random::new(seed);
        let d = Data::new(&mut random, &shape.input());
        let w = random.values(shape.weights());
        let k = shape.outputs;
        let (scale, shift) = (random.values(k), random.values(k));
        let plain = reference::forward(&shape, &d.plain, &w);
        let normed = reference::forward(&shape, &d.normed, &w);
        everywhere(|ws| {
            let mut y = vec![f32::NAN; shape.output().len()];
            cpu_kernels::forward(ws, &shape, Input::Plain(&d.y), &w, &mut y, Output::Plain);
            assert_close(&y, &plain, FORWARD, "plain");

            let mut sums = Sums::default();
            let input = Input::NormRelu { y: &d.y, scale: &d.scale, shift: &d.shift };
            cpu_kernels::forward(ws, &shape, input, &w, &mut y, Output::Statistics(&mut sums));
            assert_close(&y, &normed, FORWARD, "batch norm and ReLU on loading");
            assert_sums(&sums, &wide(&y), &wide(&y), k, "statistics");

            for relu in [false, true] {
                let output = Output::Inference { scale: &scale, shift: &shift, shortcut: None, relu };
                cpu_kernels::forward(ws, &shape, Input::Plain(&d.y), &w, &mut y, output);
                let mut expected: Tensor = plain
                    .iter()
                    .enumerate()
                    .map(|(i, v)| v * f64::from(scale[i % k]) + f64::from(shift[i % k]))
                    .collect();
                if relu {
                    expected = reference::relu(expected);
                }
                assert_close(&y, &expected, FORWARD, "folded batch norm on storing");
            }
        });
    }

    #[test]
    fn shortcuts_are_added((shape, seed) in shapes(), stride in 1usize..3, channels in 1usize..14) {
        let mut random = Random::new(seed);
        let out = shape.output();
        let x = Map {
            images: shape.images,
            height: out.height * stride - random.below(stride),
            width: out.width * stride - random.below(stride),
            channels: 4 * channels,
        };
        let spans = reference::spans(&mut random, x.channels, out.channels);
        let side = random.exact(x.len());
        let shortcut =
            Shortcut { x: &side, height: x.height, width: x.width, channels: x.channels, stride, spans: &spans };
        let (input, w) = (random.exact(shape.input().len()), random.values(shape.weights()));
        let (scale, shift) = (random.exact(out.channels), random.exact(out.channels));
        let mut folded: Tensor = reference::forward(&shape, &wide(&input), &w)
            .iter()
            .enumerate()
            .map(|(i, v)| v * f64::from(scale[i % out.channels]) + f64::from(shift[i % out.channels]))
            .collect();
        let y = random.exact(out.len());
        let mut joined = affine(&y, &scale, &shift);
        reference::shortcut(&x, stride, &spans, out.channels, |from, to| {
            folded[to] += f64::from(side[from]);
            joined[to] += f64::from(side[from]);
        });
        let (folded, joined) = (relu(folded), relu(joined));
        let next = Shape { images: out.images, height: out.height, width: out.width, inputs: out.channels, ..shape };
        let w2 = random.values(next.weights());
        let after = reference::forward(&next, &joined, &w2);
        everywhere(|ws| {
            let mut z = vec![f32::NAN; out.len()];
            let output = Output::Inference { scale: &scale, shift: &shift, shortcut: Some(shortcut), relu: true };
            cpu_kernels::forward(ws, &shape, Input::Plain(&input), &w, &mut z, output);
            assert_close(&z, &folded, FORWARD, "on storing");

            z.fill(f32::NAN);
            let join = Join { y: &y, scale: &scale, shift: &shift, shortcut: Some(shortcut), out: &mut z };
            cpu_kernels::join(ws, &out, join);
            assert_close(&z, &joined, FORWARD, "joined");

            z.fill(f32::NAN);
            let mut y2 = vec![f32::NAN; next.output().len()];
            let mut sums = Sums::default();
            let input =
                Input::Join(Join { y: &y, scale: &scale, shift: &shift, shortcut: Some(shortcut), out: &mut z });
            cpu_kernels::forward(ws, &next, input, &w2, &mut y2, Output::Statistics(&mut sums));
            assert_close(&z, &joined, FORWARD, "joined ahead of a convolution");
            assert_close(&y2, &after, FORWARD, "convolution of a join");
            assert_sums(&sums, &wide(&y2), &wide(&y2), next.outputs, "its statistics");
        });
    }

    #[test]
    fn gradients_are_the_adjoints((shape, seed) in shapes()) {
        let mut random = Random::new(seed);
        let d = Data::new(&mut random, &shape.input());
        let w = random.values(shape.weights());
        let (out, k) = (shape.output(), shape.outputs);
        let (g, y) = (random.exact(out.len()), random.exact(out.len()));
        let [a, b, c] = [(); 3].map(|()| random.values(k));
        let norm = Some(NormGradient { y: &y, a: &a, b: &b, c: &c });
        let whole: Tensor = affine(&g, &a, &c).iter().zip(affine(&y, &b, &vec![0.0; k])).map(|(g, y)| g + y).collect();

        let plain = reference::input_gradient(&shape, &wide(&g), &w);
        let t = reference::input_gradient(&shape, &whole, &w);
        let mask = |x: &[f64], t: &[f64]| -> Tensor {
            x.iter().zip(t).map(|(x, t)| if *x > 0.0 { *t } else { 0.0 }).collect()
        };
        let normed = mask(&affine(&d.y, &d.scale, &d.shift), &t);
        let x = random.exact(d.y.len());
        let before = random.exact(d.y.len());
        let accumulated: Tensor = t.iter().zip(&before).map(|(t, b)| t + f64::from(*b)).collect();
        let joined = [mask(&wide(&x), &t), mask(&wide(&x), &accumulated)];
        let dw = [
            reference::weight_gradient(&shape, &d.plain, &wide(&g)),
            reference::weight_gradient(&shape, &d.normed, &whole),
        ];
        everywhere(|ws| {
            let mut dx = vec![f32::NAN; d.y.len()];
            let simple = Gradient { g: &g, norm: None };
            let full = Gradient { g: &g, norm };
            cpu_kernels::input_gradient(ws, &shape, simple, &w, &mut dx, InputGradient::Plain);
            assert_close(&dx, &plain, FORWARD, "plain");

            let mut sums = Sums::default();
            let store =
                InputGradient::MaskNormRelu { y: &d.y, scale: &d.scale, shift: &d.shift, sums: &mut sums };
            cpu_kernels::input_gradient(ws, &shape, full, &w, &mut dx, store);
            assert_close(&dx, &normed, FORWARD, "masked by batch norm and ReLU");
            assert_sums(&sums, &wide(&dx), &d.plain, shape.inputs, "its sums");

            for accumulate in [false, true] {
                dx.copy_from_slice(&before);
                let store =
                    InputGradient::MaskJoin { x: &x, y: &d.y, sums: &mut sums, accumulate, shortcut: None };
                cpu_kernels::input_gradient(ws, &shape, full, &w, &mut dx, store);
                assert_close(&dx, &joined[usize::from(accumulate)], FORWARD, "masked by a join");
                assert_sums(&sums, &wide(&dx), &d.plain, shape.inputs, "its sums");
            }

            let mut found = vec![f32::NAN; shape.weights()];
            cpu_kernels::weight_gradient(ws, &shape, Activation::Plain(&d.y), simple, &mut found);
            assert_close(&found, &dw[0], WEIGHTS, "weights, plain");
            let input = Activation::NormRelu { y: &d.y, scale: &d.scale, shift: &d.shift };
            cpu_kernels::weight_gradient(ws, &shape, input, full, &mut found);
            assert_close(&found, &dw[1], WEIGHTS, "weights, through batch norm");
        });
    }

    #[test]
    fn shortcuts_gradients_are_added((shape, seed) in shapes(), stride in 1usize..3, channels in 1usize..14) {
        prop_assume!(shape.inputs != 3);
        let mut random = Random::new(seed);
        let input = shape.input();
        let side = Map {
            images: input.images,
            height: input.height.div_ceil(stride),
            width: input.width.div_ceil(stride),
            channels: 4 * channels,
        };
        // The shortcut leads from the convolution's input to `side`; without repeated channels of the input.
        let mut spans = reference::spans(&mut random, side.channels, input.channels);
        for s in &mut spans {
            (s.from, s.to) = (s.to, s.from);
        }
        let (g, w) = (random.exact(shape.output().len()), random.values(shape.weights()));
        let (back, x, y) = (random.exact(side.len()), random.exact(input.len()), random.exact(input.len()));
        let mut expected = reference::input_gradient(&shape, &wide(&g), &w);
        reference::shortcut(&input, stride, &spans, side.channels, |from, to| expected[from] += f64::from(back[to]));
        expected.iter_mut().zip(&x).for_each(|(e, x)| *e = if *x > 0.0 { *e } else { 0.0 });
        let shortcut = Some(ShortcutGradient {
            g: &back,
            height: side.height,
            width: side.width,
            channels: side.channels,
            stride,
            spans: &spans,
        });
        everywhere(|ws| {
            let mut dx = vec![f32::NAN; input.len()];
            let mut sums = Sums::default();
            let store = InputGradient::MaskJoin { x: &x, y: &y, sums: &mut sums, accumulate: false, shortcut };
            cpu_kernels::input_gradient(ws, &shape, Gradient { g: &g, norm: None }, &w, &mut dx, store);
            assert_close(&dx, &expected, FORWARD, "with a shortcut's gradient");
            assert_sums(&sums, &wide(&dx), &wide(&y), shape.inputs, "its sums");
        });
    }

    #[test]
    fn pooling_is_the_mean(images in 1usize..4, height in 1usize..9, width in 1usize..9, channels in 1usize..14, seed: u64) {
        let map = Map { images, height, width, channels: 4 * channels };
        let mut random = Random::new(seed);
        let (x, y, g) = (random.exact(map.len()), random.exact(map.len()), random.values(images * map.channels));
        let mut mean = vec![0.0; g.len()];
        let mut dx = vec![0.0; x.len()];
        for (i, x) in x.iter().enumerate() {
            let p = i / (height * width * map.channels) * map.channels + i % map.channels;
            mean[p] += f64::from(*x) / (height * width) as f64;
            dx[i] = if *x > 0.0 { f64::from(g[p]) / (height * width) as f64 } else { 0.0 };
        }
        everywhere(|ws| {
            let mut pooled = vec![f32::NAN; mean.len()];
            cpu_kernels::average_pool(ws, &map, &x, &mut pooled);
            assert_close(&pooled, &mean, FORWARD, "mean");
            let mut found = vec![f32::NAN; x.len()];
            let mut sums = Sums::default();
            cpu_kernels::average_pool_gradient(ws, &map, &g, &x, &y, &mut found, &mut sums);
            assert_close(&found, &dx, FORWARD, "gradient");
            assert_sums(&sums, &dx, &wide(&y), map.channels, "its sums");
        });
    }
}

/// The layers that matter, long sums and all, one of each size.
#[test]
fn large_layers_stay_accurate() {
    for (size, channels, images) in [(32, 16, 16), (16, 64, 8), (8, 256, 8)] {
        let shape =
            Shape { images, height: size, width: size, inputs: channels, outputs: channels, stride: 1 };
        let mut random = Random::new(size as u64);
        let (x, g) = (random.values(shape.input().len()), random.values(shape.output().len()));
        let w = random.values(shape.weights());
        let expected = [
            reference::forward(&shape, &wide(&x), &w),
            reference::input_gradient(&shape, &wide(&g), &w),
            reference::weight_gradient(&shape, &wide(&x), &wide(&g)),
        ];
        everywhere(|ws| {
            let mut y = vec![f32::NAN; g.len()];
            let (mut dx, mut dw) = (vec![f32::NAN; x.len()], vec![f32::NAN; w.len()]);
            let gradient = Gradient { g: &g, norm: None };
            cpu_kernels::forward(ws, &shape, Input::Plain(&x), &w, &mut y, Output::Plain);
            cpu_kernels::input_gradient(ws, &shape, gradient, &w, &mut dx, InputGradient::Plain);
            cpu_kernels::weight_gradient(ws, &shape, Activation::Plain(&x), gradient, &mut dw);
            let errors = [error(&y, &expected[0]), error(&dx, &expected[1]), error(&dw, &expected[2])];
            println!(
                "{channels} channels at {size} x {size}, {:?}: {:.1e} {:.1e} {:.1e}",
                ws.isa(),
                errors[0],
                errors[1],
                errors[2]
            );
            assert!(errors[0] < FORWARD && errors[1] < FORWARD && errors[2] < WEIGHTS, "{errors:?}");
        });
    }
}

#[test]
fn runs_are_repeatable() {
    let shape = Shape { images: 5, height: 11, width: 9, inputs: 24, outputs: 20, stride: 1 };
    let mut random = Random::new(7);
    let (x, g) = (random.values(shape.input().len()), random.values(shape.output().len()));
    let run = |ws: &mut Workspace| {
        let (mut y, mut dw) = (vec![0.0; g.len()], vec![0.0; shape.weights()]);
        let mut sums = Sums::default();
        let w = x[..shape.weights()].to_vec();
        cpu_kernels::forward(ws, &shape, Input::Plain(&x), &w, &mut y, Output::Statistics(&mut sums));
        cpu_kernels::weight_gradient(
            ws,
            &shape,
            Activation::Plain(&x),
            Gradient { g: &g, norm: None },
            &mut dw,
        );
        (y, sums, dw)
    };
    everywhere(|ws| {
        let first = run(ws);
        // What one thread needed the others are given at the start of the next operator.
        run(ws);
        let bytes = ws.bytes();
        for _ in 0..3 {
            assert_eq!(run(ws), first);
        }
        assert_eq!(ws.bytes(), bytes, "the workspace grew although nothing was larger");
    });
    assert!(relative(std::iter::once(1.0), &[1.0]) == 0.0);
}

#[test]
#[should_panic(expected = "the weights has 575 elements where the shape asks for 576")]
fn a_short_slice_is_named() {
    let shape = Shape { images: 1, height: 4, width: 4, inputs: 8, outputs: 8, stride: 1 };
    let x = vec![0.0; 128];
    let mut y = vec![0.0; 128];
    cpu_kernels::forward(
        &mut Workspace::new(),
        &shape,
        Input::Plain(&x),
        &x.repeat(5)[..575],
        &mut y,
        Output::Plain,
    );
}
