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
    let line = element / sizes.out_w;
    let map = line / sizes.out_h;
    let image = map / sizes.out_c4;
    if image >= sizes.images {
        return;
    }
    let elements = sizes.images * sizes.out_c4 * sizes.out_h * sizes.out_w;
    var sum = vec4<f32>(0.0);
    for (var part = 0u; part < sizes.parts; part++) {
        sum += x[part * elements + element];
    }
    finish(sum, image, map % sizes.out_c4, line % sizes.out_h, element % sizes.out_w);
}
