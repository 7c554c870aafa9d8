// A tile of 8 x 8 pixels by 16 outputs, its inputs shared out inside the workgroup: for small maps, which have too few
// tiles to fill a GPU. Each of four parts of 64 threads takes every fourth of the groups of four inputs; their sums are
// added in a fixed order through the memory that held the inputs.

const THREADS = 256u;
const PARTS = 4u;
const PART_THREADS = 64u;
const OUT4 = 4u;
const KERNELS = PARTS * PATCH;
// Outputs of a part, four pixels a thread.
const PART_SUMS = 4u * PART_THREADS;

var<workgroup> memory: array<vec4<f32>, KERNELS + PARTS * STEP_KERNELS>;

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
    let part = lane / PART_THREADS;
    let thread = lane % PART_THREADS;
    let row = thread % 16u / 2u;
    let column = thread % 2u * 4u;
    let o = thread / 16u;

    let inputs = sizes.in_c4;
    var sums = Strip();
    for (var i = 0u; i < inputs; i += PARTS) {
        let count = min(PARTS, inputs - i);
        stage(lane, tile, first, i, count);
        if part < count {
            let taps = KERNELS + part * STEP_KERNELS + o * TAPS;
            sums = add_inputs(sums, part * PATCH + row * PATCH_ROW + column, taps);
        }
    }

    workgroupBarrier();
    if part > 0u {
        let at = (part - 1u) * PART_SUMS + thread;
        memory[at] = sums.a;
        memory[at + PART_THREADS] = sums.b;
        memory[at + 2u * PART_THREADS] = sums.c;
        memory[at + 3u * PART_THREADS] = sums.d;
    }
    workgroupBarrier();
    if part == 0u {
        for (var p = 0u; p < PARTS - 1u; p++) {
            let at = p * PART_SUMS + thread;
            sums.a += memory[at];
            sums.b += memory[at + PART_THREADS];
            sums.c += memory[at + 2u * PART_THREADS];
            sums.d += memory[at + 3u * PART_THREADS];
        }
        let c4 = first + o;
        let y_row = tile.row + row;
        let y_column = tile.column + column;
        finish(sums.a, tile.image, c4, y_row, y_column);
        finish(sums.b, tile.image, c4, y_row, y_column + 1u);
        finish(sums.c, tile.image, c4, y_row, y_column + 2u);
        finish(sums.d, tile.image, c4, y_row, y_column + 3u);
    }
}
