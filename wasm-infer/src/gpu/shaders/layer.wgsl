// What every kernel of a 3x3 convolution shares; each kernel's file follows this one.
//
//     y = relu(scale * conv(x, weights) + shift + shortcut)      padding 1
//
//     x        [images][in_c / 4][in_h][in_w]         four channels an element
//     weights  [blocks][out_c / 4][in_c / 4][9]       four inputs (columns) by four outputs (rows) an element;
//                                                     one block for each pair of units, found by the table
//     norms    [.. out_c / 4 scales, out_c / 4 shifts ..]
//     skip     [images][skip_c / 4][skip_h][skip_w]   the shortcut's input; not read where there is none
//     y        [images][out_c / 4][out_h][out_w]

@group(0) @binding(0) var<storage, read> table: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights: array<mat4x4<f32>>;
@group(0) @binding(3) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> skip: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

struct Sizes {
    images: u32,
    in_h: u32,
    in_w: u32,
    in_c4: u32,
    out_h: u32,
    out_w: u32,
    out_c4: u32,
    stride: u32,
    // Where the scales begin.
    norm: u32,
    skip_h: u32,
    skip_w: u32,
    skip_c4: u32,
    skip_stride: u32,
    // Of the inputs: one for each unit.
    spans: u32,
    // Into how many the inputs are divided; only where workgroups share them.
    parts: u32,
}

// The same words as the table's first ones: a uniform's are at hand, a buffer's are fetched.
@group(0) @binding(6) var<uniform> sizes: Sizes;

// The table: after the sizes, for each four inputs the number of their span, then for each four outputs the shortcut's
// c / 4 and for each span where their weights would begin if the span began at input 0.
const SPAN_OF = 16u;
const NO_SHORTCUT = 0xffffffffu;

// Where the table's row of four outputs begins.
fn outputs_row(c4: u32) -> u32 {
    return SPAN_OF + sizes.in_c4 + c4 * (1u + sizes.spans);
}

// The first of the nine elements of weights from four inputs to the outputs of a row.
fn first_weight(row: u32, input: u32) -> u32 {
    return table[row + 1u + table[SPAN_OF + input]] + input * 9u;
}

// Four channels of a pixel. Row and column are unsigned: the padding's -1 is a large number.
fn pixel(image: u32, c4: u32, row: u32, column: u32) -> vec4<f32> {
    if row < sizes.in_h && column < sizes.in_w {
        return x[((image * sizes.in_c4 + c4) * sizes.in_h + row) * sizes.in_w + column];
    }
    return vec4<f32>(0.0);
}

// Norm, shortcut and ReLU of a finished sum; nothing for what lies outside of the map.
fn finish(sum: vec4<f32>, image: u32, c4: u32, row: u32, column: u32) {
    if c4 >= sizes.out_c4 || row >= sizes.out_h || column >= sizes.out_w {
        return;
    }
    let norm = sizes.norm + c4;
    var value = norms[norm] * sum + norms[norm + sizes.out_c4];
    let skip_c4 = table[outputs_row(c4)];
    if skip_c4 != NO_SHORTCUT {
        let line = (image * sizes.skip_c4 + skip_c4) * sizes.skip_h + row * sizes.skip_stride;
        value += skip[line * sizes.skip_w + column * sizes.skip_stride];
    }
    let line = (image * sizes.out_c4 + c4) * sizes.out_h + row;
    y[line * sizes.out_w + column] = max(value, vec4<f32>(0.0));
}

