//! What secrets promise.
