//! ONNX export: what is in the file, what onnxruntime computes with it, and the command that writes it.

mod command;
mod model;
mod runtime;
mod structure;
