// A convolution in registers alone, without workgroup memory or barriers: an item a thread.

const THREADS = 64u;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = item_of((group.y * groups.x + group.x) * THREADS + lane);
    if item.image >= sizes.images {
        return;
    }
    let sums = sum_inputs(item, 0u, 1u);
    finish(sums.a, item.image, item.c4, item.row, item.column);
    finish(sums.b, item.image, item.c4, item.row, item.column + 1u);
    finish(sums.c, item.image, item.c4, item.row + 1u, item.column);
    finish(sums.d, item.image, item.c4, item.row + 1u, item.column + 1u);
}
