// A tile of 8 x 8 pixels by 32 outputs, its inputs shared out across workgroups, each of which leaves its part of the
// sums for fold.wgsl to add: for small maps on GPUs that hold many workgroups at once.
//
//     y        [parts][images][out_c / 4][out_h][out_w]

const THREADS = 128u;
const OUT4 = 8u;
// Groups of four inputs that are staged at once.
const STEP = 2u;
const KERNELS = STEP * PATCH;

var<workgroup> memory: array<vec4<f32>, KERNELS + STEP * STEP_KERNELS>;

fn leave(sum: vec4<f32>, part: u32, tile: Tile, c4: u32, row: u32, column: u32) {
    if c4 >= sizes.out_c4 || row >= sizes.out_h || column >= sizes.out_w {
        return;
    }
    let map = (part * sizes.images + tile.image) * sizes.out_c4 + c4;
    y[(map * sizes.out_h + row) * sizes.out_w + column] = sum;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group.y * groups.x + group.x;
    let tile = tile_of(index % tiles());
    let outputs = (sizes.out_c4 + OUT4 - 1u) / OUT4;
    let first = index / tiles() % outputs * OUT4;
    let part = index / tiles() / outputs;
    let parts = sizes.parts;
    if part >= parts {
        return;
    }
    let row = lane % 16u / 2u;
    let column = lane % 2u * 4u;
    let o = lane / 16u;

    let end = (part + 1u) * sizes.in_c4 / parts;
    var sums = Strip();
    for (var i = part * sizes.in_c4 / parts; i < end; i += STEP) {
        let count = min(STEP, end - i);
        stage(lane, tile, first, i, count);
        for (var s = 0u; s < count; s++) {
            let taps = KERNELS + s * STEP_KERNELS + o * TAPS;
            sums = add_inputs(sums, s * PATCH + row * PATCH_ROW + column, taps);
        }
    }

    let c4 = first + o;
    let y_row = tile.row + row;
    let y_column = tile.column + column;
    leave(sums.a, part, tile, c4, y_row, y_column);
    leave(sums.b, part, tile, c4, y_row, y_column + 1u);
    leave(sums.c, part, tile, c4, y_row, y_column + 2u);
    leave(sums.d, part, tile, c4, y_row, y_column + 3u);
}
