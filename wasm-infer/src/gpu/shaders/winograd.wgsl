// Winograd's F(2x2, 3x3) (Lavin and Gray 2016) in one kernel: a tile of 8 x 8 pixels, as 16 tiles of 2 x 2, by 32
// outputs. 16 products take the place of 36; inputs and weights are transformed in workgroup memory, four inputs at a
// time, so that the weights stay as they are. For large maps: the transforms cost about a third of the products.
//
//     memory   inputs [4][4 positions][16 tiles], then weights [4][4 positions][outputs / 4][4 inputs]
//
// A thread sums up one row of positions, four tiles (every fourth), four outputs; the threads are numbered so that
// neighbours read different banks of memory, or the same element.

const THREADS = 128u;
const OUT4 = 8u;
const WINDOWS = 16u;
const WEIGHTS = 16u * WINDOWS;

var<workgroup> memory: array<vec4<f32>, WEIGHTS + 16u * OUT4 * 4u>;

// One position of four tiles.
struct Four {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn add_products(sums: Four, position: u32, window: u32, o: u32) -> Four {
    var s = sums;
    let w = kernel(WEIGHTS + (position * OUT4 + o) * 4u);
    let at = position * WINDOWS + window;
    s.a += w * memory[at];
    s.b += w * memory[at + 4u];
    s.c += w * memory[at + 8u];
    s.d += w * memory[at + 12u];
    return s;
}

// Two positions of a tile's transformed inputs, B^T d B: B^T's rows are d0 - d2, d1 + d2, d2 - d1, d1 - d3.
fn stage_inputs(lane: u32, tile: Tile, input: u32) {
    let window = lane % WINDOWS;
    let i = lane / WINDOWS % 4u;
    let half = lane / (4u * WINDOWS);
    let row = tile.row + window / 4u * 2u - 1u;
    let column = tile.column + window % 4u * 2u - 1u + half;
    // Which two rows of d, and the second one's sign.
    let first = row + min(i, 4u - i);
    let second = row + select(select(3u, 1u, i == 2u), 2u, i < 2u);
    let sign = select(-1.0, 1.0, i == 1u);
    let d0 = pixel(tile.image, input, first, column) + sign * pixel(tile.image, input, second, column);
    let d1 = pixel(tile.image, input, first, column + 1u) + sign * pixel(tile.image, input, second, column + 1u);
    let d2 = pixel(tile.image, input, first, column + 2u) + sign * pixel(tile.image, input, second, column + 2u);
    let at = (4u * i + 2u * half) * WINDOWS + window;
    if half == 0u {
        memory[at] = d0 - d2;
        memory[at + WINDOWS] = d1 + d2;
    } else {
        memory[at] = d1 - d0;
        memory[at + WINDOWS] = d0 - d2;
    }
}

// One row of positions of the transformed weights from one input to four outputs, G g G^T: G's rows are g0,
// (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2.
fn stage_weights(lane: u32, first: u32, input: u32) {
    let within = lane % 4u;
    let o = lane / 4u % OUT4;
    let i = lane / (4u * OUT4);
    let g0 = select(select(0.5, 0.0, i == 3u), 1.0, i == 0u);
    let g1 = select(select(0.0, -0.5, i == 2u), 0.5, i == 1u);
    let g2 = select(select(0.5, 0.0, i == 0u), 1.0, i == 3u);
    let a = g0 * weight(first + o, input, within)
        + g1 * weight(first + o, input, within + 12u)
        + g2 * weight(first + o, input, within + 24u);
    let b = g0 * weight(first + o, input, within + 4u)
        + g1 * weight(first + o, input, within + 16u)
        + g2 * weight(first + o, input, within + 28u);
    let c = g0 * weight(first + o, input, within + 8u)
        + g1 * weight(first + o, input, within + 20u)
        + g2 * weight(first + o, input, within + 32u);
    let at = WEIGHTS + (4u * i * OUT4 + o) * 4u + within;
    memory[at] = a;
    memory[at + 4u * OUT4] = 0.5 * (a + b + c);
    memory[at + 8u * OUT4] = 0.5 * (a - b + c);
    memory[at + 12u * OUT4] = c;
}

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
    let window = lane % 4u;
    let o = lane / 4u % OUT4;
    let row = lane / (4u * OUT4);

    var s0 = Four();
    var s1 = Four();
    var s2 = Four();
    var s3 = Four();
    for (var i = 0u; i < sizes.in_c4; i++) {
        workgroupBarrier();
        stage_inputs(lane, tile, i);
        stage_weights(lane, first, i);
        workgroupBarrier();
        s0 = add_products(s0, 4u * row, window, o);
        s1 = add_products(s1, 4u * row + 1u, window, o);
        s2 = add_products(s2, 4u * row + 2u, window, o);
        s3 = add_products(s3, 4u * row + 3u, window, o);
    }

    // A^T m A: A^T's rows are m0 + m1 + m2, m1 - m2 - m3. Each thread has a row of positions, so the second product
    // goes through memory: [4 rows][2 columns][16 tiles][4 outputs / 4], half of the outputs at a time.
    for (var half = 0u; half < 2u; half++) {
        workgroupBarrier();
        if o / 4u == half {
            let at = (2u * row * WINDOWS + window) * 4u + o % 4u;
            memory[at] = s0.a + s1.a + s2.a;
            memory[at + 16u] = s0.b + s1.b + s2.b;
            memory[at + 32u] = s0.c + s1.c + s2.c;
            memory[at + 48u] = s0.d + s1.d + s2.d;
            let right = at + 4u * WINDOWS;
            memory[right] = s1.a - s2.a - s3.a;
            memory[right + 16u] = s1.b - s2.b - s3.b;
            memory[right + 32u] = s1.c - s2.c - s3.c;
            memory[right + 48u] = s1.d - s2.d - s3.d;
        }
        workgroupBarrier();
        let column = lane / 64u;
        let at = lane % 64u + column * 64u;
        let m0 = memory[at];
        let m1 = memory[at + 128u];
        let m2 = memory[at + 256u];
        let m3 = memory[at + 384u];
        let c4 = first + 4u * half + lane % 4u;
        let t = lane / 4u % WINDOWS;
        let y_row = tile.row + t / 4u * 2u;
        let y_column = tile.column + t % 4u * 2u + column;
        finish(m0 + m1 + m2, tile.image, c4, y_row, y_column);
        finish(m1 - m2 - m3, tile.image, c4, y_row + 1u, y_column);
    }
}
