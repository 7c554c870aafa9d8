// logits = weight * features + bias
//
//     features  [images][c / 4]                four features an element
//     level     [.. weight [classes][c / 4], bias [classes]]   a level's own parameters: four numbers an element
//     numbers   the same one by one, for the bias, which begins and ends anywhere
//     logits    [images][classes]
//
// A thread makes one logit.

@group(0) @binding(0) var<storage, read> table: array<u32>;
@group(0) @binding(1) var<storage, read> features: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> level: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> numbers: array<f32>;
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;

// The table.
const IMAGES = 0u;
const C4 = 1u;
const CLASSES = 2u;
const WEIGHT = 3u;
const BIAS = 4u;

const THREADS = 64u;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let logit = (group.y * groups.x + group.x) * THREADS + lane;
    let classes = table[CLASSES];
    let image = logit / classes;
    let row = logit % classes;
    if image >= table[IMAGES] {
        return;
    }
    let c4 = table[C4];
    var sum = numbers[table[BIAS] + row];
    for (var i = 0u; i < c4; i++) {
        sum += dot(level[table[WEIGHT] + row * c4 + i], features[image * c4 + i]);
    }
    logits[logit] = sum;
}
