//! The wire codec: compression of large bodies.
