//! The shaders' sources, without comments and indentation: a visitor would fetch those for nothing.

/// A file of `shaders/` as it goes into the program.
macro_rules! shader {
    ($name:literal) => {{
        const SOURCE: &[u8] = include_bytes!(concat!("shaders/", $name, ".wgsl"));
        const CODE: [u8; code_len(SOURCE)] = code(SOURCE);
        match std::str::from_utf8(&CODE) {
            Ok(code) => code,
            Err(_) => panic!("shaders are UTF-8"),
        }
    }};
}

/// What every convolution shares.
const LAYER: &str = shader!("layer");
/// What those share that work in registers.
const ITEM: &str = shader!("item");
/// What those share that work on tiles.
const TILE: &str = shader!("tile");
/// What those share that stage inputs and weights as they are.
const PATCH: &str = shader!("patch");
/// What those share whose threads have four pixels.
const STRIP: &str = shader!("strip");

// A kernel's file after those that it shares with others.
pub(super) const REGISTERS: &[&str] = &[LAYER, ITEM, shader!("registers")];
pub(super) const REGISTERS_SPLIT: &[&str] = &[LAYER, ITEM, shader!("registers_split")];
pub(super) const SPLIT_INSIDE: &[&str] = &[LAYER, TILE, PATCH, STRIP, shader!("split_inside")];
pub(super) const SPLIT_ACROSS: &[&str] = &[LAYER, TILE, PATCH, STRIP, shader!("split_across")];
pub(super) const FOLD: &[&str] = &[LAYER, shader!("fold")];
pub(super) const TILES: &[&str] = &[LAYER, TILE, PATCH, shader!("tiles")];
pub(super) const WINOGRAD: &[&str] = &[LAYER, TILE, shader!("winograd")];
pub(super) const POOL: &[&str] = &[shader!("pool")];
pub(super) const CLASSIFIER: &[&str] = &[shader!("classifier")];

/// Length of [`code`].
const fn code_len(source: &[u8]) -> usize {
    walk(source, &mut [])
}

/// The source without comments, indentation and empty lines.
const fn code<const LEN: usize>(source: &[u8]) -> [u8; LEN] {
    let mut code = [0; LEN];
    walk(source, &mut code);
    code
}

/// Writes the code as far as there is room; its length.
const fn walk(source: &[u8], code: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    let mut line_is_empty = true;
    while from < source.len() {
        let byte = source[from];
        // WGSL has no strings that could hold this.
        if byte == b'/' && from + 1 < source.len() && source[from + 1] == b'/' {
            while from < source.len() && source[from] != b'\n' {
                from += 1;
            }
            continue;
        }
        let dropped = line_is_empty && (byte == b' ' || byte == b'\n');
        if !dropped {
            if to < code.len() {
                code[to] = byte;
            }
            to += 1;
        }
        line_is_empty = byte == b'\n' || line_is_empty && byte == b' ';
        from += 1;
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_indentation_and_empty_lines_go() {
        const SOURCE: &[u8] =
            b"// What\n//   it is.\n\nfn a() { // one\n    let b = 1 / 2;\n\n    // two\n}\n";
        const CODE: [u8; code_len(SOURCE)] = code(SOURCE);
        assert_eq!(std::str::from_utf8(&CODE), Ok("fn a() { \nlet b = 1 / 2;\n}\n"));
    }
}
