// A convolution in registers whose inputs are shared out: four threads an item, whose sums are added in a fixed order
// through workgroup memory, a pixel each.

const THREADS = 64u;
const PARTS = 4u;
const ITEMS = THREADS / PARTS;

var<workgroup> memory: array<vec4<f32>, THREADS * PARTS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = lane / ITEMS;
    let item = item_of((group.y * groups.x + group.x) * ITEMS + lane % ITEMS);
    var sums = Sums();
    if item.image < sizes.images {
        sums = sum_inputs(item, part, PARTS);
    }
    memory[lane] = sums.a;
    memory[lane + THREADS] = sums.b;
    memory[lane + 2u * THREADS] = sums.c;
    memory[lane + 3u * THREADS] = sums.d;
    workgroupBarrier();
    if item.image < sizes.images {
        var sum = vec4<f32>(0.0);
        for (var q = 0u; q < PARTS; q++) {
            sum += memory[part * THREADS + q * ITEMS + lane % ITEMS];
        }
        finish(sum, item.image, item.c4, item.row + part / 2u, item.column + part % 2u);
    }
}
