// Four neighbouring pixels of four outputs, the share of a thread.

struct Strip {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// Adds what four inputs contribute. `corner` is the upper left pixel that the strip reads, `taps` its outputs' weights.
fn add_inputs(sums: Strip, corner: u32, taps: u32) -> Strip {
    var s = sums;
    for (var k = 0u; k < 3u; k++) {
        let at = corner + k * PATCH_ROW;
        let x0 = memory[at];
        let x1 = memory[at + 1u];
        let x2 = memory[at + 2u];
        let x3 = memory[at + 3u];
        let x4 = memory[at + 4u];
        let x5 = memory[at + 5u];
        let w0 = kernel(taps + 12u * k);
        let w1 = kernel(taps + 12u * k + 4u);
        let w2 = kernel(taps + 12u * k + 8u);
        s.a += w0 * x0 + w1 * x1 + w2 * x2;
        s.b += w0 * x1 + w1 * x2 + w2 * x3;
        s.c += w0 * x2 + w1 * x3 + w2 * x4;
        s.d += w0 * x3 + w1 * x4 + w2 * x5;
    }
    return s;
}

