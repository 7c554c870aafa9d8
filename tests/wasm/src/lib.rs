//! The forward convolutions against their definition in f64, as functions that a WebAssembly module exports: `cargo xtask
//! test` builds it for both of the engine's instruction sets, and check.mjs runs it in Node.

#[path = "../../../cpu-kernels/tests/reference/mod.rs"]
mod reference;

use cpu_kernels::{FilterBlocks, Filters, Input, Output, Run, Shape, Workspace, pack_filters};
use reference::{Random, error, wide};

/// Convolves a random input of a random shape; the error, relative to the result's size. Every other case has its weights
/// in two blocks.
#[unsafe(no_mangle)]
pub extern "C" fn forward_error(case: u32) -> f64 {
    let mut random = Random::new(u64::from(case));
    let blocks = case.is_multiple_of(2);
    let (inputs, outputs) = (4 * (1 + random.below(20)), 4 * (1 + random.below(20)));
    let shape = Shape {
        images: 1 + random.below(3),
        height: 1 + random.below(18),
        width: 1 + random.below(18),
        inputs: if !blocks && case.is_multiple_of(5) { 3 } else { inputs },
        outputs,
        stride: 1 + random.below(if blocks { 2 } else { 3 }),
    };
    let (x, w) = (random.values(shape.input().len()), random.values(shape.weights()));
    let expected = reference::forward(&shape, &wide(&x), &w);
    let mut y = vec![f32::NAN; expected.len()];
    let mut convolve = |filters: Filters| {
        let ws = &mut Workspace::new();
        cpu_kernels::forward(ws, &shape, Input::Plain(&x), filters, &mut y, Output::Plain);
    };
    if blocks {
        let cut = 4 * random.below(inputs / 4);
        let ends = [cut, inputs];
        let runs: Vec<Run> = if cut == 0 { &ends[1..] } else { &ends }
            .iter()
            .enumerate()
            .map(|(index, &end)| Run { end, index })
            .collect();
        let starts = std::iter::once(0).chain(runs.iter().map(|r| r.end));
        let block = |(start, run): (usize, &Run)| {
            let places = (0..outputs).flat_map(|o| (start..run.end).map(move |i| (o, i)));
            let taps = places.flat_map(|(o, i)| (0..9).map(move |t| (t * inputs + i) * outputs + o));
            pack_filters(&taps.map(|at| w[at]).collect::<Vec<f32>>(), run.end - start)
        };
        let table: Vec<Vec<f32>> = starts.zip(&runs).map(block).collect();
        let columns = table.len();
        let outputs = &[Run { end: outputs, index: 0 }];
        convolve(Filters::Blocks(FilterBlocks { inputs: &runs, outputs, table: &table, columns }));
    } else {
        convolve((&w).into());
    }
    error(&y, &expected)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cases_are_right_here_too() {
        for case in 0..40 {
            let error = super::forward_error(case);
            assert!(error < 3e-6, "case {case}: {error:e}");
        }
    }
}
