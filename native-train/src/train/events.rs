//! TensorBoard event files: protocol buffers of `tensorflow/core/util/event.proto` in TFRecord frames. Only the few fields
//! that scalars need are written, so no code is generated from the definitions.

use super::metrics::Line;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const PREFIX: &str = "events.out.tfevents.";

/// One event file; each start of a run writes one of its own.
#[derive(Debug)]
pub struct Events(File);

impl Events {
    /// Starts a file in `folder` for a run that has done `done` steps. TensorBoard forgets what earlier files say about
    /// later steps; a run that starts anew removes them.
    ///
    /// # Errors
    /// If files cannot be listed, removed or written.
    pub fn create(folder: &Path, done: u64) -> io::Result<Events> {
        let mut newest = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
            if done == 0 {
                std::fs::remove_file(entry.path())?;
            } else {
                let second = rest.split('.').next().and_then(|s| s.parse().ok());
                newest = newest.max(second.unwrap_or(0));
            }
        }
        // TensorBoard reads the files in the order of their names, so two of one second must not share it.
        let second = (now() as u64).max(newest + 1);
        let path = folder.join(format!("{PREFIX}{second:010}.dvn-train"));
        let mut events = Events(OpenOptions::new().write(true).create_new(true).open(path)?);
        events.record(&Message::event(0).text(3, "brain.Event:2"))?;
        // session_log.status = START
        events.record(&Message::event(done + 1).message(7, &Message::default().varint(1, 1)))?;
        Ok(events)
    }

    /// Adds scalars of one step: tags and values.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(String, f32)]) -> io::Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            summary = summary.message(1, &Message::default().text(1, tag).float(2, *value));
        }
        self.record(&Message::event(step).message(5, &summary))
    }

    /// Adds what a line of metrics says.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn line(&mut self, line: &Line, tasks: &[String]) -> io::Result<()> {
        let mut values = Vec::new();
        let step = match line {
            Line::Step(line) => {
                values.extend(tags("loss", tasks, &line.loss));
                values.extend(tags("training_accuracy", tasks, &line.training_accuracy));
                values.push(("rate".to_owned(), line.rate));
                values.push(("images_per_s".to_owned(), line.images_per_s as f32));
                line.step
            }
            Line::Evaluation { step, tasks } => {
                for task in tasks {
                    for level in task.levels.iter().filter(|l| !l.untrained) {
                        let tag = tag("test_accuracy", &task.name, level.level);
                        values.extend(level.accuracy.map(|percent| (tag, percent as f32)));
                    }
                }
                *step
            }
        };
        self.scalars(step, &values)
    }

    /// One TFRecord: length, its checksum, content, its checksum.
    fn record(&mut self, message: &Message) -> io::Result<()> {
        let length = (message.0.len() as u64).to_le_bytes();
        let sum = |bytes: &[u8]| masked(crc32c::crc32c(bytes)).to_le_bytes();
        let record = [&length[..], &sum(&length), &message.0, &sum(&message.0)].concat();
        self.0.write_all(&record)
    }
}

/// TFRecord stores checksums rotated, so that a checksum of bytes that hold checksums stays a good one.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn tags(kind: &str, tasks: &[String], values: &[Vec<Option<f64>>]) -> Vec<(String, f32)> {
    let mut out = Vec::new();
    for (task, levels) in tasks.iter().zip(values) {
        for (level, value) in levels.iter().enumerate() {
            out.extend(value.map(|value| (tag(kind, task, level + 1), value as f32)));
        }
    }
    out
}

/// TensorBoard groups tags by what stands before a slash, and knows only some characters.
fn tag(kind: &str, task: &str, level: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("{kind}/{}/level{level}", task.chars().map(plain).collect::<String>())
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// A protocol buffer in the making.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    /// An `Event` of now.
    fn event(step: u64) -> Message {
        let mut event = Message::default().key(1, 1);
        event.0.extend(now().to_le_bytes());
        event.varint(2, step)
    }

    /// A field's number and wire type.
    fn key(self, field: u64, wire: u64) -> Message {
        self.raw_varint(field << 3 | wire)
    }

    fn raw_varint(mut self, mut value: u64) -> Message {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn varint(self, field: u64, value: u64) -> Message {
        self.key(field, 0).raw_varint(value)
    }

    fn float(self, field: u64, value: f32) -> Message {
        let mut message = self.key(field, 5);
        message.0.extend(value.to_le_bytes());
        message
    }

    fn bytes(self, field: u64, bytes: &[u8]) -> Message {
        let mut message = self.key(field, 2).raw_varint(bytes.len() as u64);
        message.0.extend(bytes);
        message
    }

    fn text(self, field: u64, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }
}
