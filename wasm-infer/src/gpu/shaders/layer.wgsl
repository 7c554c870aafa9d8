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

// The table: sizes, then for each four inputs the number of their span, then for each four outputs the shortcut's
// c / 4 and for each span where their weights would begin if the span began at input 0.
const IMAGES = 0u;
const IN_H = 1u;
const IN_W = 2u;
const IN_C4 = 3u;
const OUT_H = 4u;
const OUT_W = 5u;
const OUT_C4 = 6u;
const STRIDE = 7u;
const NORM = 8u;
const SKIP_H = 9u;
const SKIP_W = 10u;
const SKIP_C4 = 11u;
const SKIP_STRIDE = 12u;
const SPANS = 13u;
// Into how many parts the inputs are divided; only where groups share them.
const PARTS_ACROSS = 14u;
const SPAN_OF = 15u;
const NO_SHORTCUT = 0xffffffffu;

// Where the table's row of four outputs begins.
fn outputs_row(c4: u32) -> u32 {
    return SPAN_OF + table[IN_C4] + c4 * (1u + table[SPANS]);
}

// The first of the nine elements of weights from four inputs to the outputs of a row.
fn first_weight(row: u32, input: u32) -> u32 {
    return table[row + 1u + table[SPAN_OF + input]] + input * 9u;
}

// Four channels of a pixel. Row and column are unsigned: the padding's -1 is a large number.
fn pixel(image: u32, c4: u32, row: u32, column: u32) -> vec4<f32> {
    if row < table[IN_H] && column < table[IN_W] {
        return x[((image * table[IN_C4] + c4) * table[IN_H] + row) * table[IN_W] + column];
    }
    return vec4<f32>(0.0);
}

// Norm, shortcut and ReLU of a finished sum; nothing for what lies outside of the map.
fn finish(sum: vec4<f32>, image: u32, c4: u32, row: u32, column: u32) {
    if c4 >= table[OUT_C4] || row >= table[OUT_H] || column >= table[OUT_W] {
        return;
    }
    let norm = table[NORM] + c4;
    var value = norms[norm] * sum + norms[norm + table[OUT_C4]];
    let skip_c4 = table[outputs_row(c4)];
    if skip_c4 != NO_SHORTCUT {
        let line = (image * table[SKIP_C4] + skip_c4) * table[SKIP_H] + row * table[SKIP_STRIDE];
        value += skip[line * table[SKIP_W] + column * table[SKIP_STRIDE]];
    }
    let line = (image * table[OUT_C4] + c4) * table[OUT_H] + row;
    y[line * table[OUT_W] + column] = max(value, vec4<f32>(0.0));
}

