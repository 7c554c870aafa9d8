//! A reader for the pickles that CIFAR's authors publish: Python 2 dictionaries of strings, numbers, lists and one numpy
//! array of bytes each. Whatever else a pickle can hold, code to run above all, is refused.

use std::fmt;

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;

/// How deep values may lie in each other; CIFAR needs 3.
const DEPTH: usize = 8;

/// A value; bytes are borrowed from the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A Python 2 string (bytes) or a unicode string (UTF-8).
    Text(&'a [u8]),
    List(Vec<Value<'a>>),
    Tuple(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// One of the names that a numpy array's pickle calls.
    Name(Name),
    /// What `_reconstruct` returns: an array before its state is known.
    Unbuilt,
    /// What `numpy.dtype('u1', ...)` returns.
    ByteType,
    /// An array of bytes, row by row.
    Array {
        rows: usize,
        columns: usize,
        bytes: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Reconstruct,
    NdArray,
    DType,
}

impl<'a> Value<'a> {
    /// The value under `key` of a dictionary.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Dict(items) => {
                items.iter().find_map(|(k, v)| (*k == Value::Text(key.as_bytes())).then_some(v))
            }
            _ => None,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Value::List(items) | Value::Tuple(items) => 1 + items.iter().map(Value::depth).max().unwrap_or(0),
            Value::Dict(items) => 1 + items.iter().map(|(_, v)| v.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// Why a pickle cannot be read, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PickleError {
    at: usize,
    what: String,
}

impl fmt::Display for PickleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a pickle as CIFAR's authors write them: {} at byte {}", self.what, self.at)
    }
}

/// Reads one pickle; bytes after its end are ignored, as Python does.
pub(crate) fn read(file: &[u8]) -> Result<Value<'_>, PickleError> {
    let mut machine = Machine { file, at: 0, stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    machine.run().map_err(|what| PickleError { at: machine.at, what })
}

/// The pickle machine: a stack, the places marked on it, and the memo.
struct Machine<'a> {
    file: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    /// Values that may be asked for again. Only those without parts are kept: copies of them are small, and lists that go
    /// on growing need not be shared.
    memo: Vec<(usize, Option<Value<'a>>)>,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Value<'a>> {
        loop {
            let op = self.byte()?;
            match op {
                0x80 => {
                    let protocol = self.byte()?;
                    if protocol > 2 {
                        return Err(format!("protocol {protocol}, expected 2"));
                    }
                }
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.stack.push(Value::None),
                0x88 => self.stack.push(Value::Bool(true)),
                0x89 => self.stack.push(Value::Bool(false)),
                b'K' => {
                    let x = self.byte()?;
                    self.stack.push(Value::Int(x.into()));
                }
                b'M' => {
                    let x = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(x.into()));
                }
                b'J' => {
                    let x = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(x.into()));
                }
                b'U' => {
                    let length = self.byte()?.into();
                    self.text(length)?;
                }
                b'T' | b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                b'c' => self.name()?,
                b'q' => {
                    let slot = self.byte()?.into();
                    self.put(slot)?;
                }
                b'r' => {
                    let slot = u32::from_le_bytes(self.array()?) as usize;
                    self.put(slot)?;
                }
                b'h' => {
                    let slot = self.byte()?.into();
                    self.recall(slot)?;
                }
                b'j' => {
                    let slot = u32::from_le_bytes(self.array()?) as usize;
                    self.recall(slot)?;
                }
                b']' => self.stack.push(Value::List(Vec::new())),
                b'}' => self.stack.push(Value::Dict(Vec::new())),
                b')' => self.stack.push(Value::Tuple(Vec::new())),
                0x85..=0x87 => {
                    let count = usize::from(op - 0x84);
                    let start = self.stack.len().checked_sub(count).ok_or("a tuple of missing values")?;
                    self.tuple(start)?;
                }
                b't' => {
                    let start = self.mark()?;
                    self.tuple(start)?;
                }
                b'a' => {
                    let start = self.stack.len().checked_sub(1).ok_or("nothing to append")?;
                    self.extend(start)?;
                }
                b'e' => {
                    let start = self.mark()?;
                    self.extend(start)?;
                }
                b's' => {
                    let start = self.stack.len().checked_sub(2).ok_or("no key and value")?;
                    self.set(start)?;
                }
                b'u' => {
                    let start = self.mark()?;
                    self.set(start)?;
                }
                b'R' => self.call()?,
                b'b' => self.build()?,
                _ => return Err(format!("the operation 0x{op:02x}, which CIFAR does not need,")),
            }
        }
    }

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let rest = &self.file[self.at..];
        let taken = rest
            .get(..count)
            .ok_or_else(|| format!("the file ends {} bytes too early", count - rest.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn text(&mut self, length: usize) -> Step<()> {
        let text = self.take(length)?;
        self.stack.push(Value::Text(text));
        Ok(())
    }

    /// A module's name and a name in it, each ended by a line feed.
    fn name(&mut self) -> Step<()> {
        let mut line = || {
            let rest = &self.file[self.at..];
            let length = rest.iter().take(100).position(|&b| b == b'\n').ok_or("a name that does not end")?;
            self.at += length + 1;
            Ok::<_, String>(&rest[..length])
        };
        let name = match (line()?, line()?) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Name::Reconstruct,
            (b"numpy", b"ndarray") => Name::NdArray,
            (b"numpy", b"dtype") => Name::DType,
            (module, name) => {
                let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
                return Err(format!("the name {}.{}, which is not called,", text(module), text(name)));
            }
        };
        self.stack.push(Value::Name(name));
        Ok(())
    }

    fn pop(&mut self) -> Step<Value<'a>> {
        // Values below a mark belong to whatever the mark opened.
        if self.marks.last().is_some_and(|&m| m >= self.stack.len()) {
            return Err("a value taken from beyond a mark".into());
        }
        self.stack.pop().ok_or_else(|| "a value missing".into())
    }

    fn mark(&mut self) -> Step<usize> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(mark),
            _ => Err("no mark".into()),
        }
    }

    fn put(&mut self, slot: usize) -> Step<()> {
        let kept = match self.stack.last().ok_or("nothing to remember")? {
            leaf @ (Value::None | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Name(_)) => {
                Some(leaf.clone())
            }
            _ => None,
        };
        // Python numbers them as they come; anything else would make the memo a list to search.
        if self.memo.last().is_some_and(|(last, _)| *last >= slot) {
            return Err(format!("memo {slot} out of order"));
        }
        self.memo.push((slot, kept));
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Step<()> {
        let found =
            self.memo.binary_search_by_key(&slot, |(s, _)| *s).map_err(|_| format!("no memo {slot}"))?;
        let value = self.memo[found].1.clone().ok_or_else(|| format!("a second use of memo {slot}"))?;
        self.stack.push(value);
        Ok(())
    }

    fn tuple(&mut self, start: usize) -> Step<()> {
        let items = self.stack.split_off(start);
        self.nest(Value::Tuple(items))
    }

    /// Pushes a value made of others.
    fn nest(&mut self, value: Value<'a>) -> Step<()> {
        if value.depth() > DEPTH {
            return Err(format!("values more than {DEPTH} deep"));
        }
        self.stack.push(value);
        Ok(())
    }

    /// Moves the values from `start` on to the list before them. Lists hold no lists, so that nothing grows deep.
    fn extend(&mut self, start: usize) -> Step<()> {
        let items = self.stack.split_off(start);
        match self.stack.last_mut() {
            Some(Value::List(list)) if items.iter().all(|v| v.depth() == 0) => list.extend(items),
            _ => return Err("values appended to what is no list, or lists in lists,".into()),
        }
        Ok(())
    }

    /// Moves keys and values from `start` on into the dictionary before them.
    fn set(&mut self, start: usize) -> Step<()> {
        let items = self.stack.split_off(start);
        if !items.len().is_multiple_of(2) || items.iter().any(|v| v.depth() >= DEPTH) {
            return Err("keys and values that do not pair up, or lie too deep,".into());
        }
        let Some(Value::Dict(pairs)) = self.stack.last_mut() else {
            return Err("keys and values without a dictionary".into());
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            pairs.push((key, value));
        }
        Ok(())
    }

    /// The two calls that a numpy array's pickle makes.
    fn call(&mut self) -> Step<()> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = arguments else { return Err("a call without arguments".into()) };
        let value = match (callee, arguments.first()) {
            (Value::Name(Name::Reconstruct), Some(Value::Name(Name::NdArray))) => Value::Unbuilt,
            (Value::Name(Name::DType), Some(Value::Text(b"u1" | b"|u1"))) => Value::ByteType,
            _ => return Err("a call of something else than an array of bytes".into()),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Gives the object below its state.
    fn build(&mut self) -> Step<()> {
        let (state, object) = (self.pop()?, self.pop()?);
        let value = match (object, state) {
            // Byte order and the like: all the same for bytes.
            (Value::ByteType, Value::Tuple(_)) => Value::ByteType,
            (Value::Unbuilt, Value::Tuple(state)) => array(&state)?,
            _ => return Err("a state for what takes none".into()),
        };
        self.stack.push(value);
        Ok(())
    }
}

/// An array from its state: (version, shape, type, whether columns come first, bytes).
fn array<'a>(state: &[Value<'a>]) -> Step<Value<'a>> {
    let [Value::Int(1), Value::Tuple(ref shape), Value::ByteType, Value::Bool(false), Value::Text(bytes)] =
        *state
    else {
        return Err("an array that is not of bytes, row by row,".into());
    };
    let [Value::Int(rows), Value::Int(columns)] = shape[..] else {
        return Err("an array that does not have two axes".into());
    };
    let sizes = (usize::try_from(rows).ok()).zip(usize::try_from(columns).ok());
    match sizes {
        Some((rows, columns)) if rows.checked_mul(columns) == Some(bytes.len()) => {
            Ok(Value::Array { rows, columns, bytes })
        }
        _ => Err(format!("an array of {rows} x {columns} with {} bytes", bytes.len())),
    }
}
