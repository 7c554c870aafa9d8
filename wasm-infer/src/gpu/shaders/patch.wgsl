// What the kernels share that stage a tile's inputs, patches of 10 x 10 pixels that serve all nine taps, and their weights,
// for OUT4 groups of four outputs. A kernel says where in workgroup memory the weights begin: KERNELS.
//
//     memory   patches [inputs / 4][10][11], then kernels [inputs / 4][outputs / 4][9 taps][4 inputs]

const PATCH_W = 10u;
const PATCH_PIXELS = 100u;
// One more than the row has: with an odd number neighbouring rows lie in different banks of memory.
const PATCH_ROW = 11u;
const PATCH = 110u;
// From one group of four inputs to the next.
const STEP_KERNELS = OUT4 * TAPS;

// Brings `count` groups of four inputs from `input` on, and their weights to the outputs from `output` on, into memory,
// once nobody needs any more what is there. All threads come here together.
fn stage(lane: u32, tile: Tile, output: u32, input: u32, count: u32) {
    workgroupBarrier();
    for (var n = lane; n < count * PATCH_PIXELS; n += THREADS) {
        let row = n % PATCH_PIXELS / PATCH_W;
        let column = n % PATCH_W;
        memory[n / PATCH_PIXELS * PATCH + row * PATCH_ROW + column] =
            pixel(tile.image, input + n / PATCH_PIXELS, tile.row + row - 1u, tile.column + column - 1u);
    }
    for (var n = lane; n < count * STEP_KERNELS; n += THREADS) {
        memory[KERNELS + n] = weight(output + n / TAPS % OUT4, input + n / STEP_KERNELS, n % TAPS);
    }
    workgroupBarrier();
}

