//! Trains Deep Virtual Networks: data sets, the network's trunk forward and backward, joint learning of every level of
//! every task (paper eq. 4), checkpoints, evaluation, and the model folder that the browser opens.

mod aside;
pub mod cli;
pub mod config;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod grow;
pub mod import;
pub mod network;
pub mod onnx;
pub mod plot;
pub mod report;
pub mod reproduce;
pub mod train;
pub mod untrained;
pub mod weights;
