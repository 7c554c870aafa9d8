//! Turning the weights round: an input gradient is a convolution with them.

use crate::parallel::{self, Shared};
use crate::workspace::{Buffer, Part};

/// Weights `[3][3][inputs][outputs]` to `[3][3][outputs][inputs]`, both axes of the kernel reversed.
pub(crate) fn turn<'a>(
    parts: &mut [Part],
    weights: &[f32],
    inputs: usize,
    outputs: usize,
    buffer: &'a mut Buffer,
) -> &'a [f32] {
    let tap = inputs * outputs;
    let to = Shared(buffer.get(9 * tap));
    let n = parallel::jobs(outputs.div_ceil(16));
    parallel::share(parts, 0..n, |i, _| {
        let to = { to }.0;
        for t in 0..9 {
            let from = &weights[t * tap..][..tap];
            for o in parallel::part(outputs, 16, n, i) {
                // SAFETY: rows `o` of the result are this thread's alone.
                let row =
                    unsafe { std::slice::from_raw_parts_mut(to.add((8 - t) * tap + o * inputs), inputs) };
                for (row, from) in row.iter_mut().zip(from[o..].iter().step_by(outputs)) {
                    *row = *from;
                }
            }
        }
    });
    // SAFETY: the buffer is that long, borrowed for the result's life, and all of it has been written.
    unsafe { std::slice::from_raw_parts(to.0, 9 * tap) }
}
