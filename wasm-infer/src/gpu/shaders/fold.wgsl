// Adds up, in a fixed order, the parts that split_across.wgsl left, and finishes the convolution. A thread makes one
// element of y.
//
//     x        [parts][images][out_c / 4][out_h][out_w]

const THREADS = 64u;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = (group.y * groups.x + group.x) * THREADS + lane;
    let line = element / table[OUT_W];
    let map = line / table[OUT_H];
    let image = map / table[OUT_C4];
    if image >= table[IMAGES] {
        return;
    }
    let elements = table[IMAGES] * table[OUT_C4] * table[OUT_H] * table[OUT_W];
    var sum = vec4<f32>(0.0);
    for (var part = 0u; part < table[PARTS_ACROSS]; part++) {
        sum += x[part * elements + element];
    }
    finish(sum, image, map % table[OUT_C4], line % table[OUT_H], element % table[OUT_W]);
}
