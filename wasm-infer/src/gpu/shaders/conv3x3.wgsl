// 3x3 convolution, padding 1, with folded batch norm, shortcut and ReLU:
//     y = relu(scale * conv(x, weights) + shift + shortcut)
//
//     x        [images][in_c / 4][in_h][in_w]         four channels an element
//     weights  [blocks][out_c / 4][in_c / 4][9]       four inputs (columns) by four outputs (rows) an element;
//                                                     one block for each pair of units, found by the table
//     norms    [.. out_c / 4 scales, out_c / 4 shifts ..]
//     skip     [images][skip_c / 4][skip_h][skip_w]   the shortcut's input; not read where there is none
//     y        [images][out_c / 4][out_h][out_w]
//
// An item is 2 x 2 pixels of four outputs, kept in registers; neighbouring threads have neighbouring pixels of the same
// outputs, so that they read the same weights. With PARTS > 1 as many threads share an item's inputs and add their
// sums up in a fixed order through workgroup memory: small maps have too few items to fill a GPU.

override PARTS: u32 = 1u;
// Whether neighbouring outputs read overlapping inputs: stride 1.
override UNIT_STRIDE: bool = true;

@group(0) @binding(0) var<storage, read> table: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights: array<mat4x4<f32>>;
@group(0) @binding(3) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> skip: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

// The table: sizes, then (first c / 4, count) for each span of input channels, then for each four outputs the
// shortcut's c / 4 and for each span the first element of their weights.
const IMAGES = 0u;
const IN_H = 1u;
const IN_W = 2u;
const IN_C4 = 3u;
const OUT_H = 4u;
const OUT_W = 5u;
const OUT_C4 = 6u;
const STRIDE = 7u;
const NORM = 8u;
const SKIP_H = 9u;
const SKIP_W = 10u;
const SKIP_C4 = 11u;
const SKIP_STRIDE = 12u;
const SPANS = 13u;
const FIRST_SPAN = 14u;
const NO_SHORTCUT = 0xffffffffu;

const THREADS = 64u;
const PIXELS = 4u;

var<workgroup> sums: array<vec4<f32>, THREADS * PIXELS>;

// Row and column are unsigned: the padding's -1 is a large number.
fn load(plane: u32, row: u32, column: u32) -> vec4<f32> {
    if row < table[IN_H] && column < table[IN_W] {
        return x[plane + row * table[IN_W] + column];
    }
    return vec4<f32>(0.0);
}

fn store(sum: vec4<f32>, image: u32, c4: u32, row: u32, column: u32, skip_c4: u32) {
    if row >= table[OUT_H] || column >= table[OUT_W] {
        return;
    }
    let norm = table[NORM] + c4;
    var value = norms[norm] * sum + norms[norm + table[OUT_C4]];
    if skip_c4 != NO_SHORTCUT {
        let line = (image * table[SKIP_C4] + skip_c4) * table[SKIP_H] + row * table[SKIP_STRIDE];
        value += skip[line * table[SKIP_W] + column * table[SKIP_STRIDE]];
    }
    let line = (image * table[OUT_C4] + c4) * table[OUT_H] + row;
    y[line * table[OUT_W] + column] = max(value, vec4<f32>(0.0));
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let items = THREADS / PARTS;
    let part = lane / items;
    let item = (group.y * groups.x + group.x) * items + lane % items;

    let tiles_w = (table[OUT_W] + 1u) / 2u;
    let tiles_h = (table[OUT_H] + 1u) / 2u;
    let row = 2u * (item / tiles_w % tiles_h);
    let column = 2u * (item % tiles_w);
    let c4 = item / (tiles_w * tiles_h) % table[OUT_C4];
    let image = item / (tiles_w * tiles_h) / table[OUT_C4];
    let spans = table[SPANS];
    let outputs = FIRST_SPAN + 2u * spans + c4 * (1u + spans);

    var y00 = vec4<f32>(0.0);
    var y01 = vec4<f32>(0.0);
    var y10 = vec4<f32>(0.0);
    var y11 = vec4<f32>(0.0);
    if image < table[IMAGES] {
        let stride = table[STRIDE];
        let left = column * stride - 1u;
        let size = table[IN_H] * table[IN_W];
        for (var s = 0u; s < spans; s++) {
            let first = table[FIRST_SPAN + 2u * s];
            let count = table[FIRST_SPAN + 2u * s + 1u];
            let block = table[outputs + 1u + s];
            for (var i = (part + PARTS - first % PARTS) % PARTS; i < count; i += PARTS) {
                let plane = (image * table[IN_C4] + first + i) * size;
                for (var k = 0u; k < 3u; k++) {
                    let w = block + i * 9u + k * 3u;
                    let w0 = weights[w];
                    let w1 = weights[w + 1u];
                    let w2 = weights[w + 2u];
                    let upper = row * stride + k - 1u;
                    let lower = upper + stride;
                    let a0 = load(plane, upper, left);
                    let a1 = load(plane, upper, left + 1u);
                    let a2 = load(plane, upper, left + 2u);
                    let b0 = load(plane, lower, left);
                    let b1 = load(plane, lower, left + 1u);
                    let b2 = load(plane, lower, left + 2u);
                    y00 += w0 * a0 + w1 * a1 + w2 * a2;
                    y10 += w0 * b0 + w1 * b1 + w2 * b2;
                    if UNIT_STRIDE {
                        let a3 = load(plane, upper, left + 3u);
                        let b3 = load(plane, lower, left + 3u);
                        y01 += w0 * a1 + w1 * a2 + w2 * a3;
                        y11 += w0 * b1 + w1 * b2 + w2 * b3;
                    } else {
                        let right = left + stride;
                        let c0 = load(plane, upper, right);
                        let c1 = load(plane, upper, right + 1u);
                        let c2 = load(plane, upper, right + 2u);
                        let d0 = load(plane, lower, right);
                        let d1 = load(plane, lower, right + 1u);
                        let d2 = load(plane, lower, right + 2u);
                        y01 += w0 * c0 + w1 * c1 + w2 * c2;
                        y11 += w0 * d0 + w1 * d1 + w2 * d2;
                    }
                }
            }
        }
    }

    if PARTS == 1u {
        if image < table[IMAGES] {
            let skip_c4 = table[outputs];
            store(y00, image, c4, row, column, skip_c4);
            store(y01, image, c4, row, column + 1u, skip_c4);
            store(y10, image, c4, row + 1u, column, skip_c4);
            store(y11, image, c4, row + 1u, column + 1u, skip_c4);
        }
    } else {
        sums[lane] = y00;
        sums[lane + THREADS] = y01;
        sums[lane + 2u * THREADS] = y10;
        sums[lane + 3u * THREADS] = y11;
        workgroupBarrier();
        if image < table[IMAGES] {
            let skip_c4 = table[outputs];
            for (var p = part; p < PIXELS; p += PARTS) {
                var sum = vec4<f32>(0.0);
                for (var q = 0u; q < PARTS; q++) {
                    sum += sums[p * THREADS + q * items + lane % items];
                }
                store(sum, image, c4, row + p / 2u, column + p % 2u, skip_c4);
            }
        }
    }
}
