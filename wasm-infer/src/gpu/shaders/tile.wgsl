// What the kernels share whose workgroups make tiles of 8 x 8 pixels, at stride 1.

const TILE = 8u;
// Nine taps, four inputs.
const TAPS = 36u;

struct Tile {
    image: u32,
    // Of its upper left pixel.
    row: u32,
    column: u32,
}

fn tiles_across() -> u32 {
    return (sizes.out_w + TILE - 1u) / TILE;
}

fn tiles_down() -> u32 {
    return (sizes.out_h + TILE - 1u) / TILE;
}

fn tiles() -> u32 {
    return sizes.images * tiles_down() * tiles_across();
}

fn tile_of(index: u32) -> Tile {
    let row = index / tiles_across();
    return Tile(row / tiles_down(), TILE * (row % tiles_down()), TILE * (index % tiles_across()));
}

// The weights from one input to four outputs at one tap: `k` is the tap times four and the input within its four.
fn weight(c4: u32, input: u32, k: u32) -> vec4<f32> {
    if c4 < sizes.out_c4 {
        return weights[first_weight(outputs_row(c4), input) + k / 4u][k % 4u];
    }
    return vec4<f32>(0.0);
}

// One tap's weights from four inputs to four outputs.
fn kernel(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(memory[at], memory[at + 1u], memory[at + 2u], memory[at + 3u]);
}

