// Mean over all pixels.
//
//     x  [images][c / 4][pixels]   four channels an element
//     y  [images][c / 4]
//
// A workgroup makes one element of y: its threads add up every 64th pixel, then one another's sums, in a fixed order.

@group(0) @binding(0) var<storage, read> table: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

// The table.
const ELEMENTS = 0u;
const PIXELS = 1u;

const THREADS = 64u;

var<workgroup> sums: array<vec4<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = group.y * groups.x + group.x;
    let pixels = table[PIXELS];
    var sum = vec4<f32>(0.0);
    if element < table[ELEMENTS] {
        for (var p = lane; p < pixels; p += THREADS) {
            sum += x[element * pixels + p];
        }
    }
    sums[lane] = sum;
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            sums[lane] += sums[lane + half];
        }
    }
    if lane == 0u && element < table[ELEMENTS] {
        y[element] = sums[0] / f32(pixels);
    }
}
