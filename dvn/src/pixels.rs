//! How a picture becomes the network's input.
