//! Weights in blocks give what the same weights give in one piece.

use cpu_kernels::{FilterBlocks, Filters, Input, Isa, Output, Run, Shape, Workspace, forward, pack_filters};
use proptest::prelude::*;

/// Channels of each run, of inputs or outputs.
fn runs() -> impl Strategy<Value = Vec<usize>> {
    let channels = prop_oneof![6 => (1usize..12).prop_map(|c| 4 * c), 1 => Just(80)];
    prop::collection::vec(channels, 1..4)
}

/// A column (or row) of the table for each run, not in order and with room between them.
fn table(channels: &[usize]) -> Vec<Run> {
    let ends = channels.iter().scan(0, |end, c| {
        *end += c;
        Some(*end)
    });
    ends.enumerate().map(|(i, end)| Run { end, index: 2 * (channels.len() - 1 - i) }).collect()
}

/// The weights from inputs `i` to outputs `o`, `[o][i][3][3]`, of dense ones.
fn block(dense: &[f32], shape: &Shape, o: &std::ops::Range<usize>, i: &std::ops::Range<usize>) -> Vec<f32> {
    let at = |o: usize, i: usize, tap: usize| dense[(tap * shape.inputs + i) * shape.outputs + o];
    o.clone().flat_map(|o| i.clone().flat_map(move |i| (0..9).map(move |tap| at(o, i, tap)))).collect()
}

fn ranges(runs: &[Run]) -> Vec<std::ops::Range<usize>> {
    let starts = std::iter::once(0).chain(runs.iter().map(|r| r.end));
    starts.zip(runs).map(|(start, run)| start..run.end).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_are_as_good_as_one_piece(
        inputs in runs(),
        outputs in runs(),
        images in 1usize..4,
        size in (1usize..13, 1usize..13),
        stride in 1usize..3,
        seed in any::<u32>(),
    ) {
        let shape = Shape {
            images,
            height: size.0,
            width: size.1,
            inputs: inputs.iter().sum(),
            outputs: outputs.iter().sum(),
            stride,
        };
        let mut state = seed;
        let mut numbers = |n: usize| -> Vec<f32> {
            (0..n).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            }).collect()
        };
        let (x, dense) = (numbers(shape.input().len()), numbers(shape.weights()));
        let (inputs, outputs) = (table(&inputs), table(&outputs));
        let columns = 2 * inputs.len();
        let mut packed = vec![Vec::new(); 2 * outputs.len() * columns];
        for (row, o) in outputs.iter().zip(ranges(&outputs)) {
            for (column, i) in inputs.iter().zip(ranges(&inputs)) {
                packed[row.index * columns + column.index] =
                    pack_filters(&block(&dense, &shape, &o, &i), i.len());
            }
        }
        let blocks = FilterBlocks { inputs: &inputs, outputs: &outputs, table: &packed, columns };
        for isa in Isa::available() {
            let mut ws = Workspace::with_isa(isa);
            let mut run = |filters: Filters| {
                let mut y = vec![f32::NAN; shape.output().len()];
                forward(&mut ws, &shape, Input::Plain(&x), filters, &mut y, Output::Plain);
                y
            };
            prop_assert_eq!(run((&dense).into()), run(blocks.into()), "{:?}", isa);
        }
    }
}

#[test]
#[should_panic(expected = "expected ends that ascend in multiples of 4 to 8")]
fn runs_that_miss_channels_are_named() {
    let shape = Shape { images: 1, height: 4, width: 4, inputs: 8, outputs: 8, stride: 1 };
    let runs = [Run { end: 4, index: 0 }];
    let blocks = FilterBlocks { inputs: &runs, outputs: &runs, table: &[vec![0.0; 144]], columns: 1 };
    forward(&mut Workspace::new(), &shape, Input::Plain(&[0.0; 128]), blocks, &mut [0.0; 128], Output::Plain);
}
