// A tile of 8 x 8 pixels by 32 outputs, a row of eight pixels of four outputs a thread: where the batch has tiles
// enough to fill the GPU.

const THREADS = 64u;
const OUT4 = 8u;
// Groups of four inputs that are staged at once.
const STEP = 2u;
const KERNELS = STEP * PATCH;

var<workgroup> memory: array<vec4<f32>, KERNELS + STEP * STEP_KERNELS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x;
    let tile = tile_of(index % tiles());
    let first = index / tiles() * OUT4;
    if first >= sizes.out_c4 {
        return;
    }
    let row = lane % 8u;
    let o = lane / 8u;

    let inputs = sizes.in_c4;
    var y0 = vec4<f32>(0.0);
    var y1 = vec4<f32>(0.0);
    var y2 = vec4<f32>(0.0);
    var y3 = vec4<f32>(0.0);
    var y4 = vec4<f32>(0.0);
    var y5 = vec4<f32>(0.0);
    var y6 = vec4<f32>(0.0);
    var y7 = vec4<f32>(0.0);
    for (var i = 0u; i < inputs; i += STEP) {
        let count = min(STEP, inputs - i);
        stage(lane, tile, first, i, count);
        // One row of taps of four inputs at a time.
        for (var k = 0u; k < 3u * count; k++) {
            let at = k / 3u * PATCH + (row + k % 3u) * PATCH_ROW;
            let taps = KERNELS + k / 3u * STEP_KERNELS + o * TAPS + k % 3u * 12u;
            let w0 = kernel(taps);
            let w1 = kernel(taps + 4u);
            let w2 = kernel(taps + 8u);
            let x0 = memory[at];
            let x1 = memory[at + 1u];
            let x2 = memory[at + 2u];
            let x3 = memory[at + 3u];
            let x4 = memory[at + 4u];
            let x5 = memory[at + 5u];
            let x6 = memory[at + 6u];
            let x7 = memory[at + 7u];
            let x8 = memory[at + 8u];
            let x9 = memory[at + 9u];
            y0 += w0 * x0 + w1 * x1 + w2 * x2;
            y1 += w0 * x1 + w1 * x2 + w2 * x3;
            y2 += w0 * x2 + w1 * x3 + w2 * x4;
            y3 += w0 * x3 + w1 * x4 + w2 * x5;
            y4 += w0 * x4 + w1 * x5 + w2 * x6;
            y5 += w0 * x5 + w1 * x6 + w2 * x7;
            y6 += w0 * x6 + w1 * x7 + w2 * x8;
            y7 += w0 * x7 + w1 * x8 + w2 * x9;
        }
    }

    let c4 = first + o;
    let y_row = tile.row + row;
    finish(y0, tile.image, c4, y_row, tile.column);
    finish(y1, tile.image, c4, y_row, tile.column + 1u);
    finish(y2, tile.image, c4, y_row, tile.column + 2u);
    finish(y3, tile.image, c4, y_row, tile.column + 3u);
    finish(y4, tile.image, c4, y_row, tile.column + 4u);
    finish(y5, tile.image, c4, y_row, tile.column + 5u);
    finish(y6, tile.image, c4, y_row, tile.column + 6u);
    finish(y7, tile.image, c4, y_row, tile.column + 7u);
}
