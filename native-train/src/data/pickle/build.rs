//! Writes pickles as Python 2's protocol 2 does, for tests.

/// A pickle being written.
pub(crate) struct Pickle {
    pub(crate) bytes: Vec<u8>,
    memo: u32,
}

impl Pickle {
    /// A dictionary whose keys and values `fill` writes in turn.
    pub(crate) fn dictionary(fill: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut pickle = Pickle { bytes: b"\x80\x02}".to_vec(), memo: 0 };
        pickle.remember();
        pickle.bytes.push(b'(');
        fill(&mut pickle);
        pickle.bytes.extend(b"u.");
        pickle.bytes
    }

    /// BINPUT, LONG_BINPUT from 256 on.
    fn remember(&mut self) {
        self.memo += 1;
        match u8::try_from(self.memo) {
            Ok(slot) => self.bytes.extend([b'q', slot]),
            Err(_) => {
                self.bytes.push(b'r');
                self.bytes.extend(self.memo.to_le_bytes());
            }
        }
    }

    fn string(&mut self, text: &[u8]) {
        match u8::try_from(text.len()) {
            Ok(length) => self.bytes.extend([b'U', length]),
            Err(_) => {
                self.bytes.push(b'T');
                self.bytes.extend((text.len() as u32).to_le_bytes());
            }
        }
        self.bytes.extend(text);
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.string(text.as_bytes());
        self.remember();
        self
    }

    pub(crate) fn int(&mut self, x: i32) {
        match (u8::try_from(x), u16::try_from(x)) {
            (Ok(x), _) => self.bytes.extend([b'K', x]),
            (_, Ok(x)) => {
                self.bytes.push(b'M');
                self.bytes.extend(x.to_le_bytes());
            }
            _ => {
                self.bytes.push(b'J');
                self.bytes.extend(x.to_le_bytes());
            }
        }
    }

    /// A list of numbers, appended a thousand at a time as Python does.
    pub(crate) fn list(&mut self, numbers: &[i32]) -> &mut Self {
        self.bytes.push(b']');
        self.remember();
        for part in numbers.chunks(1000) {
            self.bytes.push(b'(');
            part.iter().for_each(|&x| self.int(x));
            self.bytes.push(b'e');
        }
        self
    }

    /// A list of strings.
    pub(crate) fn texts(&mut self, texts: &[&str]) -> &mut Self {
        self.bytes.push(b']');
        self.remember();
        self.bytes.push(b'(');
        texts.iter().for_each(|t| _ = self.text(t));
        self.bytes.push(b'e');
        self
    }

    /// A numpy array of bytes.
    pub(crate) fn array(&mut self, rows: usize, columns: usize, data: &[u8]) -> &mut Self {
        self.bytes.extend(b"cnumpy.core.multiarray\n_reconstruct\n");
        self.remember();
        self.bytes.extend(b"cnumpy\nndarray\n");
        self.remember();
        self.bytes.extend(b"K\x00\x85");
        self.remember();
        self.bytes.extend(b"U\x01b\x87");
        self.remember();
        self.bytes.push(b'R');
        self.remember();
        self.bytes.extend(b"(K\x01");
        self.int(rows as i32);
        self.int(columns as i32);
        self.bytes.extend(b"\x86cnumpy\ndtype\n");
        self.remember();
        self.bytes.extend(b"U\x02u1K\x00K\x01\x87R");
        self.remember();
        self.bytes.extend(b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89");
        self.string(data);
        self.bytes.extend(b"tb");
        self
    }
}
