// A convolution in registers alone: an item is 2 x 2 pixels of four outputs; neighbouring threads have neighbouring
// pixels of the same outputs, so that they read the same weights. With PARTS > 1 as many threads share an item's inputs
// and add their sums up in a fixed order through workgroup memory.

override PARTS: u32 = 1u;
// Whether neighbouring outputs read overlapping inputs: stride 1.
override UNIT_STRIDE: bool = true;

const THREADS = 64u;
const PIXELS = 4u;

var<workgroup> sums: array<vec4<f32>, THREADS * PIXELS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let items = THREADS / PARTS;
    let part = lane / items;
    let item = (group.y * groups.x + group.x) * items + lane % items;

    let across = (sizes.out_w + 1u) / 2u;
    let down = (sizes.out_h + 1u) / 2u;
    let row = 2u * (item / across % down);
    let column = 2u * (item % across);
    let c4 = item / (across * down) % sizes.out_c4;
    let image = item / (across * down) / sizes.out_c4;

    var y00 = vec4<f32>(0.0);
    var y01 = vec4<f32>(0.0);
    var y10 = vec4<f32>(0.0);
    var y11 = vec4<f32>(0.0);
    if image < sizes.images {
        let stride = sizes.stride;
        let left = column * stride - 1u;
        let outputs = outputs_row(c4);
        for (var i = part; i < sizes.in_c4; i += PARTS) {
            let first = first_weight(outputs, i);
            for (var k = 0u; k < 3u; k++) {
                let w0 = weights[first + k * 3u];
                let w1 = weights[first + k * 3u + 1u];
                let w2 = weights[first + k * 3u + 2u];
                let upper = row * stride + k - 1u;
                let lower = upper + stride;
                let a0 = pixel(image, i, upper, left);
                let a1 = pixel(image, i, upper, left + 1u);
                let a2 = pixel(image, i, upper, left + 2u);
                let b0 = pixel(image, i, lower, left);
                let b1 = pixel(image, i, lower, left + 1u);
                let b2 = pixel(image, i, lower, left + 2u);
                y00 += w0 * a0 + w1 * a1 + w2 * a2;
                y10 += w0 * b0 + w1 * b1 + w2 * b2;
                if UNIT_STRIDE {
                    let a3 = pixel(image, i, upper, left + 3u);
                    let b3 = pixel(image, i, lower, left + 3u);
                    y01 += w0 * a1 + w1 * a2 + w2 * a3;
                    y11 += w0 * b1 + w1 * b2 + w2 * b3;
                } else {
                    let right = left + stride;
                    let c0 = pixel(image, i, upper, right);
                    let c1 = pixel(image, i, upper, right + 1u);
                    let c2 = pixel(image, i, upper, right + 2u);
                    let d0 = pixel(image, i, lower, right);
                    let d1 = pixel(image, i, lower, right + 1u);
                    let d2 = pixel(image, i, lower, right + 2u);
                    y01 += w0 * c0 + w1 * c1 + w2 * c2;
                    y11 += w0 * d0 + w1 * d1 + w2 * d2;
                }
            }
        }
    }

    if PARTS == 1u {
        if image < sizes.images {
            finish(y00, image, c4, row, column);
            finish(y01, image, c4, row, column + 1u);
            finish(y10, image, c4, row + 1u, column);
            finish(y11, image, c4, row + 1u, column + 1u);
        }
    } else {
        sums[lane] = y00;
        sums[lane + THREADS] = y01;
        sums[lane + 2u * THREADS] = y10;
        sums[lane + 3u * THREADS] = y11;
        workgroupBarrier();
        if image < sizes.images {
            for (var p = part; p < PIXELS; p += PARTS) {
                var sum = vec4<f32>(0.0);
                for (var q = 0u; q < PARTS; q++) {
                    sum += sums[p * THREADS + q * items + lane % items];
                }
                finish(sum, image, c4, row + p / 2u, column + p % 2u);
            }
        }
    }
}
