// What the kernels share that work in registers: an item is 2 x 2 pixels of four outputs.

// Whether neighbouring outputs read overlapping inputs: stride 1.
override UNIT_STRIDE: bool = true;

struct Item {
    image: u32,
    c4: u32,
    // Of its upper left pixel.
    row: u32,
    column: u32,
}

// Neighbouring items have neighbouring pixels of the same outputs, so that they read the same weights. Beyond the last
// one the image is none.
fn item_of(index: u32) -> Item {
    let across = (sizes.out_w + 1u) / 2u;
    let down = (sizes.out_h + 1u) / 2u;
    let map = index / (across * down);
    return Item(map / sizes.out_c4, map % sizes.out_c4, 2u * (index / across % down), 2u * (index % across));
}

// The sums of an item's four pixels, row by row.
struct Sums {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// Over every `step`-th group of four inputs from `first`.
fn sum_inputs(item: Item, first: u32, step: u32) -> Sums {
    var sums = Sums();
    let image = item.image;
    let stride = sizes.stride;
    let left = item.column * stride - 1u;
    let outputs = outputs_row(item.c4);
    for (var i = first; i < sizes.in_c4; i += step) {
        let taps = first_weight(outputs, i);
        for (var k = 0u; k < 3u; k++) {
            let w0 = weights[taps + k * 3u];
            let w1 = weights[taps + k * 3u + 1u];
            let w2 = weights[taps + k * 3u + 2u];
            let upper = item.row * stride + k - 1u;
            let lower = upper + stride;
            let a0 = pixel(image, i, upper, left);
            let a1 = pixel(image, i, upper, left + 1u);
            let a2 = pixel(image, i, upper, left + 2u);
            let b0 = pixel(image, i, lower, left);
            let b1 = pixel(image, i, lower, left + 1u);
            let b2 = pixel(image, i, lower, left + 2u);
            sums.a += w0 * a0 + w1 * a1 + w2 * a2;
            sums.c += w0 * b0 + w1 * b1 + w2 * b2;
            if UNIT_STRIDE {
                let a3 = pixel(image, i, upper, left + 3u);
                let b3 = pixel(image, i, lower, left + 3u);
                sums.b += w0 * a1 + w1 * a2 + w2 * a3;
                sums.d += w0 * b1 + w1 * b2 + w2 * b3;
            } else {
                let right = left + stride;
                let c0 = pixel(image, i, upper, right);
                let c1 = pixel(image, i, upper, right + 1u);
                let c2 = pixel(image, i, upper, right + 2u);
                let d0 = pixel(image, i, lower, right);
                let d1 = pixel(image, i, lower, right + 1u);
                let d2 = pixel(image, i, lower, right + 2u);
                sums.b += w0 * c0 + w1 * c1 + w2 * c2;
                sums.d += w0 * d0 + w1 * d1 + w2 * d2;
            }
        }
    }
    return sums;
}

